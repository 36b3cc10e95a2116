package dev.virtiolab.lab.trace;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import jdk.jfr.FlightRecorder;
import jdk.jfr.FlightRecorderListener;
import jdk.jfr.Recording;
import jdk.jfr.RecordingState;

/**
 * Lets the Flight Recorder's recordings see a machine, those that run and those that are started
 * later; while there is none, the machine tells nobody.
 */
public final class Recordings implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Recordings.class.getName());

  /** Where the JDK says which folder holds what is being recorded. */
  private static final String REPOSITORY = "jdk.jfr.repository";

  private final MachineEvents events;
  private final FlightRecord record;
  private final FlightRecorderListener listener =
      new FlightRecorderListener() {
        @Override
        public void recordingStateChanged(Recording recording) {
          look();
        }
      };

  private boolean closed;
  private boolean listening;

  private Recordings(MachineEvents events, FlightRecord record) {
    this.events = events;
    this.record = record;
  }

  /**
   * @param nic what the machine's device is called in events, such as {@code virtio-net 00:04.0
   *     52:54:00:12:34:56}
   * @return to be closed with the machine
   */
  public static Recordings of(MachineEvents events, String nic) {
    Recordings made = new Recordings(events, new FlightRecord(nic));
    FlightRecorder.addListener(made.listener);
    made.look();
    return made;
  }

  /**
   * Ends every recording without a file, and removes what the recorder keeps in the temporary
   * folder: for a process that is about to become another program, which begins recordings of its
   * own and knows nothing of these.
   */
  public static void abandon() {
    if (!FlightRecorder.isInitialized()) {
      return;
    }
    try {
      for (Recording recording : FlightRecorder.getFlightRecorder().getRecordings()) {
        recording.setDestination(null);
        recording.close();
      }
      String repository = System.getProperty(REPOSITORY);
      if (repository != null) {
        try (Stream<Path> files = Files.walk(Path.of(repository))) {
          for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
            Files.delete(file);
          }
        }
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "the Flight Recorder leaves files: {0}", e.toString());
    }
  }

  private synchronized void look() {
    boolean recording = !closed && FlightRecorder.isInitialized() && somebodyRecords();
    if (recording && !listening) {
      events.add(record);
    } else if (!recording && listening) {
      events.remove(record);
    }
    listening = recording;
  }

  private static boolean somebodyRecords() {
    return FlightRecorder.getFlightRecorder().getRecordings().stream()
        .anyMatch(recording -> recording.getState() == RecordingState.RUNNING);
  }

  @Override
  public void close() {
    FlightRecorder.removeListener(listener);
    synchronized (this) {
      closed = true;
      look();
    }
  }
}
