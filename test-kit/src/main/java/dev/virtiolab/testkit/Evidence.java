package dev.virtiolab.testkit;

import dev.virtiolab.net.fault.Direction;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/**
 * What a lab has to say about a test that failed: a capture of each guest and the whole of its
 * fault journal as files, and a text that names them.
 */
final class Evidence {
  /** Where the folders of the tests are, unless the property says otherwise. */
  static final String FOLDER_PROPERTY = "virtiolab.captures";

  private static final Path USUAL_FOLDER = Path.of("target", "virtio-lab");

  /** Entries of a journal that the text shows. */
  private static final int SHOWN = 10;

  private final String text;
  private final List<Path> captures;

  private Evidence(String text, List<Path> captures) {
    this.text = text;
    this.captures = List.copyOf(captures);
  }

  /** The folder of one test. */
  static Path folder(String className, String test) {
    Path root = Path.of(System.getProperty(FOLDER_PROPERTY, USUAL_FOLDER.toString()));
    return root.resolve(className).resolve(test);
  }

  /** Writes it down. Never throws: the test's own failure is what matters. */
  static Evidence of(Lab lab, Path folder) {
    StringBuilder text = new StringBuilder();
    List<Path> captures = new ArrayList<>();
    text.append("virtio-lab: seed ").append(lab.seed());
    text.append(" (replay it with -D").append(Lab.SEED_PROPERTY).append('=').append(lab.seed());
    text.append(")\n");
    for (Guest guest : lab.guests()) {
      try {
        describe(guest, folder, text, captures);
      } catch (RuntimeException e) {
        text.append("  ").append(guest.name()).append(": nothing more: ").append(e).append('\n');
      }
    }
    return new Evidence(text.toString().stripTrailing(), captures);
  }

  private static void describe(Guest guest, Path folder, StringBuilder text, List<Path> captures) {
    text.append("  ").append(guest).append('\n');
    WireJournal journal = guest.wire().journal();
    String faults = faults(guest, journal);
    try {
      Files.createDirectories(folder);
      Path capture = free(folder, guest.name(), ".pcapng");
      long before = guest.crossedFrames() - guest.capturedFrames();
      guest.saveCapture(capture, text.toString() + faults);
      captures.add(capture.toAbsolutePath());
      text.append("    capture  ").append(capture.toAbsolutePath());
      text.append(" (").append(guest.capturedFrames()).append(" frames");
      text.append(before > 0 ? ", " + before + " older ones made way" : "").append(")\n");
      if (!journal.entries().isEmpty()) {
        Path whole = free(folder, guest.name(), ".faults.txt");
        Files.write(whole, journal.entries().stream().map(Object::toString).toList());
        text.append("    journal  ").append(whole.toAbsolutePath()).append('\n');
      }
    } catch (IOException e) {
      text.append("    capture  cannot be written: ").append(e).append('\n');
    }
    text.append(faults);
    text.append("    NIC      ").append(nic(guest.counters())).append('\n');
  }

  /** A file that is not there yet: two labs of one test may each have a guest of this name. */
  private static Path free(Path folder, String name, String ending) {
    Path file = folder.resolve(name + ending);
    for (int number = 2; Files.exists(file); number++) {
      file = folder.resolve(name + "-" + number + ending);
    }
    return file;
  }

  private static String faults(Guest guest, WireJournal journal) {
    Counters counters = guest.counters();
    StringBuilder text = new StringBuilder();
    text.append("    faults   ").append(way(counters.fromGuest(), Direction.OUT)).append('\n');
    text.append("             ").append(way(counters.toGuest(), Direction.IN)).append('\n');
    journal.entries().stream()
        .limit(SHOWN)
        .forEach(entry -> text.append("             ").append(entry).append('\n'));
    long more = journal.entries().size() + journal.missed() - SHOWN;
    if (more > 0) {
      text.append("             and ").append(more).append(" more\n");
    }
    return text.toString();
  }

  private static String way(Counters.Faults faults, Direction direction) {
    StringJoiner text = new StringJoiner(", ");
    String where = direction == Direction.OUT ? "from the guest: " : "to the guest: ";
    text.add(where + faults.frames() + " frames");
    faults
        .byKind()
        .forEach(
            (fault, count) -> {
              if (count > 0) {
                text.add(count + " " + fault.word().replace('_', ' '));
              }
            });
    if (faults.waiting() > 0) {
      text.add(faults.waiting() + " still under way");
    }
    return text.toString();
  }

  private static String nic(Counters counters) {
    StringJoiner text = new StringJoiner(", ");
    Counters.Nic nic = counters.nic();
    text.add(nic.framesFromGuest() + " frames from the guest");
    text.add(nic.framesToGuest() + " to it");
    nic.dropsByReason()
        .forEach(
            (reason, count) -> {
              if (count > 0) {
                text.add(count + " dropped: " + reason.text());
              }
            });
    if (nic.breakdowns() > 0) {
      text.add("needed a reset " + nic.breakdowns() + " times");
    }
    if (nic.resets() > 0) {
      text.add(nic.resets() + " resets");
    }
    return text.toString();
  }

  /** For a person. */
  String text() {
    return text;
  }

  /** For a report that other programs read. */
  Map<String, String> entries(long seed) {
    Map<String, String> entries = new LinkedHashMap<>();
    entries.put(Lab.SEED_PROPERTY, Long.toString(seed));
    for (Path capture : captures) {
      entries.put("virtiolab.capture." + capture.getFileName(), capture.toString());
    }
    return entries;
  }

  /**
   * Removes what an earlier run of a test left, and the folder with it if nothing else is there.
   */
  static void remove(Path folder) {
    if (!Files.isDirectory(folder)) {
      return;
    }
    try {
      for (String kind : List.of("*.pcapng", "*.faults.txt")) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, kind)) {
          for (Path file : files) {
            Files.delete(file);
          }
        }
      }
      if (isEmpty(folder)) {
        Files.delete(folder);
      }
    } catch (IOException e) {
      System.getLogger(Evidence.class.getName())
          .log(System.Logger.Level.WARNING, "{0}: old captures stay: {1}", folder, e.toString());
    }
  }

  private static boolean isEmpty(Path folder) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      return !files.iterator().hasNext();
    }
  }
}
