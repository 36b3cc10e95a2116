package dev.virtiolab.integration;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * The lab as archives where every user may read them, with the class-data archive of a first run:
 * some hundred runs of it start in half the time. One for all tests of this Java virtual machine,
 * which takes it away at its end.
 */
final class Installation {
  private static final long DEADLINE_SECONDS = 120;
  private static final Installation ONLY = new Installation();

  private final Path folder;
  private final String classPath;
  private final List<String> options;

  private Installation() {
    try {
      folder = Files.createTempDirectory("vlab-installation");
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
      Runtime.getRuntime().addShutdownHook(new Thread(this::remove));
      List<String> entries = new ArrayList<>();
      for (String entry : System.getProperty("java.class.path").split(":")) {
        Path source = Path.of(entry);
        if (Files.exists(source) && !source.endsWith("test-classes")) {
          Path target = folder.resolve(entries.size() + "-" + source.getFileName() + ".jar");
          if (Files.isDirectory(source)) {
            pack(source, target);
          } else {
            Files.copy(source, target);
          }
          Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rw-r--r--"));
          entries.add(target.toString());
        }
      }
      classPath = String.join(":", entries);
      options = archive();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Where the classes are. */
  static String classPath() {
    return ONLY.classPath;
  }

  /** Java's options for a start in half the time; none where there is no archive. */
  static List<String> options() {
    return ONLY.options;
  }

  /** What is in {@code source}, without its folders: nobody looks for those. */
  private static void pack(Path source, Path target) throws IOException {
    List<Path> files;
    try (Stream<Path> walk = Files.walk(source)) {
      files = walk.filter(Files::isRegularFile).sorted().toList();
    }
    try (OutputStream file = Files.newOutputStream(target);
        ZipOutputStream zip = new ZipOutputStream(new BufferedOutputStream(file))) {
      zip.setLevel(0);
      for (Path each : files) {
        zip.putNextEntry(new ZipEntry(source.relativize(each).toString()));
        Files.copy(each, zip);
        zip.closeEntry();
      }
    }
  }

  /** A first run, whose classes are kept. Whoever may not ping does without. */
  private List<String> archive() throws IOException {
    Path archive = folder.resolve("lab.jsa");
    List<String> command = new ArrayList<>(Vlab.java());
    command.addAll(
        List.of(
            "-XX:ArchiveClassesAtExit=" + archive,
            "-Djna.tmpdir=" + folder,
            "-cp",
            classPath,
            Vlab.MAIN,
            "ping",
            "--json",
            "--count",
            "1"));
    Process first =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      if (!first.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
        first.destroyForcibly().waitFor();
      }
    } catch (InterruptedException e) {
      first.destroyForcibly();
      throw new IllegalStateException(e);
    }
    if (first.exitValue() != 0 || !Files.exists(archive)) {
      return List.of();
    }
    Files.setPosixFilePermissions(archive, PosixFilePermissions.fromString("rw-r--r--"));
    // It says that the JDK's own archive was made without --enable-native-access.
    return List.of("-XX:SharedArchiveFile=" + archive, "-Xlog:cds=off");
  }

  private void remove() {
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted((a, b) -> b.compareTo(a)).forEach(file -> file.toFile().delete());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
