package dev.virtiolab.lab.trace;

import java.io.IOException;
import java.nio.file.Path;
import java.util.function.LongSupplier;

/** A timeline in a file, of one machine or several. */
public final class Trace implements AutoCloseable {
  private final TraceFile file;
  private final LongSupplier clock;
  private int machines;

  /**
   * @param clock nanoseconds since the timeline begins, never backwards: of all machines
   */
  Trace(TraceFile file, LongSupplier clock) {
    this.file = file;
    this.clock = clock;
  }

  /**
   * Begins a timeline in the host's time.
   *
   * @param path is made, or overwritten
   * @throws IOException where it cannot be
   */
  public static Trace open(Path path) throws IOException {
    long start = System.nanoTime();
    return open(path, () -> System.nanoTime() - start);
  }

  /**
   * Begins a timeline in the time of {@code clock}, such as that of machines that are stepped.
   *
   * @param clock nanoseconds since the timeline begins, never backwards
   * @throws IOException where the file cannot be made
   */
  public static Trace open(Path path, LongSupplier clock) throws IOException {
    return new Trace(TraceFile.open(path), clock);
  }

  /**
   * Gives a machine its tracks.
   *
   * @param nic what its device is called there, such as {@code virtio-net 00:04.0
   *     52:54:00:12:34:56}
   * @param platform what stands between device and memory
   */
  public synchronized MachineObserver machine(String nic, String platform) {
    return new MachineTrace(file, clock, machines++, nic, platform);
  }

  /** Events that are in the file, or soon there. */
  public long written() {
    return file.written();
  }

  /** Events that happened and are not in the file, because it could not be written. */
  public long missed() {
    return file.missed();
  }

  /** Ends the timeline; what machines tell from now on is ignored. */
  @Override
  public void close() {
    file.close();
  }
}
