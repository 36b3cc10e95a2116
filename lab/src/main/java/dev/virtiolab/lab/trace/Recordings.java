package dev.virtiolab.lab.trace;

import jdk.jfr.FlightRecorder;
import jdk.jfr.FlightRecorderListener;
import jdk.jfr.Recording;
import jdk.jfr.RecordingState;

/**
 * Lets the Flight Recorder's recordings see a machine, those that run and those that are started
 * later; while there is none, the machine tells nobody.
 */
public final class Recordings implements AutoCloseable {
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
