package dev.virtiolab.lab.segment;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.resource.Opened;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.netty.StreamAddress;
import dev.virtiolab.net.netty.StreamBackend;
import dev.virtiolab.net.netty.StreamConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * What stands in for a {@link Segment} where the host allows no TAP: two guests in this process,
 * each with a NIC and threads of its own, joined by a {@link StreamBackend}. The first is the guest
 * that was asked for, at its usual address; the second has the host's address, and is as plain as
 * {@link MachineConfig#neighbour} makes it. No right is needed.
 *
 * <p>The socket lies in a temporary folder that only this user may enter, and that is removed as
 * soon as the two ends have found each other: nothing is left there, however the process ends.
 */
public final class GuestPair implements AutoCloseable {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long LOOK_MILLIS = 1;

  private final Opened opened = new Opened();

  private Optional<WireFaults> faults = Optional.empty();
  private GuestMachine first;
  private GuestMachine second;

  private GuestPair() {}

  /**
   * Joins the two, boots them, and returns when both answer.
   *
   * @param config of the first guest
   * @param wire whose capture, timeline and faults are wanted; capture and faults are of the first
   *     guest's end
   * @throws LabException if a file cannot be made, or a guest does not boot
   */
  public static GuestPair open(MachineConfig config, Segment.Wire wire) {
    return open(config, wire, Machine::start);
  }

  /**
   * Likewise.
   *
   * @param maker makes the first guest's machine
   */
  public static GuestPair open(MachineConfig config, Segment.Wire wire, GuestMachine.Maker maker) {
    GuestPair pair = new GuestPair();
    try {
      pair.start(config, wire, maker);
      return pair;
    } catch (RuntimeException e) {
      throw pair.opened.closeAfter(e);
    }
  }

  private void start(MachineConfig config, Segment.Wire wire, GuestMachine.Maker maker) {
    Path folder = newFolder();
    StreamBackend far;
    NetBackend near;
    try {
      StreamAddress address = socketIn(folder);
      far = openStream(StreamConfig.listen(address));
      StreamBackend end = openStream(StreamConfig.connect(address).withReconnect(Duration.ZERO));
      awaitLink(far);
      awaitLink(end);
      near = end;
    } finally {
      remove(folder);
    }
    Segment.Wire.Plug plug = wire.dress(near, config.seed());
    faults = plug.faults();
    near = plug.end();
    opened.add(near); // which leaves nothing to do for the stream's own
    Optional<Trace> timeline = wire.openTimeline();
    timeline.ifPresent(opened::add);
    second = Machine.start(config.neighbour(), far, Segment.HOST_ADDRESS, timeline);
    opened.add(second);
    first = maker.start(config, near, Segment.GUEST_ADDRESS, timeline);
    opened.add(first);
  }

  private static Path newFolder() {
    try {
      return Files.createTempDirectory("vlab");
    } catch (IOException e) {
      throw LabException.usage("cannot make a temporary folder: " + e, e);
    }
  }

  private static StreamAddress socketIn(Path folder) {
    try {
      return new StreamAddress.Unix(folder.resolve("wire"));
    } catch (IllegalArgumentException e) {
      throw LabException.usage("temporary folder " + folder + ": " + e.getMessage(), e);
    }
  }

  private StreamBackend openStream(StreamConfig config) {
    try {
      return opened.add(StreamBackend.open(config));
    } catch (BackendOpenException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }

  private static void awaitLink(NetBackend end) {
    long start = System.nanoTime();
    while (!end.linkUp()) {
      if (System.nanoTime() - start > PATIENCE_NANOS) {
        throw LabException.failure(end + ": the two guests do not find each other");
      }
      try {
        Thread.sleep(LOOK_MILLIS);
      } catch (InterruptedException e) {
        throw LabException.interrupted();
      }
    }
  }

  private static void remove(Path folder) {
    try {
      Files.deleteIfExists(folder.resolve("wire"));
      Files.delete(folder);
    } catch (IOException e) {
      throw LabException.failure("cannot remove the temporary folder: " + e, e);
    }
  }

  /** Lets the first guest ping the second; parameters as those of {@link Segment}. */
  public PingResult pingFromFirst(long count, int size, boolean flood, Consumer<String> progress) {
    return ping(first, "the guest", Segment.HOST_ADDRESS, count, size, flood, progress);
  }

  /** Lets the second guest ping the first, as the host would. */
  public PingResult pingFromSecond(long count, int size, boolean flood, Consumer<String> progress) {
    return ping(second, "the second guest", Segment.GUEST_ADDRESS, count, size, flood, progress);
  }

  private static PingResult ping(
      GuestMachine from,
      String sender,
      Ipv4Address target,
      long count,
      int size,
      boolean flood,
      Consumer<String> progress) {
    return new GuestPing(from.guest(), sender, target, count, size, flood, progress).run();
  }

  /** What crossed the first guest's NIC so far. */
  public TrafficReport report() {
    first.guest().ask(firmware -> firmware.stack().poll(), () -> {});
    return first.report();
  }

  /** The first machine, for whoever watches it. */
  public GuestMachine machine() {
    return first;
  }

  /** The faults that were asked for, on its wire. */
  public Optional<WireFaults> wireFaults() {
    return faults;
  }

  /** What befell the frames so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return faults.map(WireFaults::report);
  }

  /** Stops guests and devices, and closes the wire. */
  @Override
  public void close() {
    opened.close();
  }
}
