package dev.virtiolab.lab.segment;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.net.BackendSpec;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A guest whose wire leads to another process: a second lab, or a QEMU. Nothing of the host's
 * network is touched, so that no right is needed.
 */
public final class PeerSegment implements AutoCloseable {
  private final PeerWire wire;
  private final GuestMachine machine;

  private PeerSegment(PeerWire wire, GuestMachine machine) {
    this.wire = wire;
    this.machine = machine;
  }

  /**
   * Opens the wire and boots the guest.
   *
   * @param peer the wire, as {@link PeerWire#specOf} found it
   * @param waitsForPeer whether to wait for the other side before, where a wire knows whether it is
   *     there
   * @throws dev.virtiolab.lab.LabException if the wire cannot be had, the peer does not come or is
   *     not trusted, or the guest does not boot
   */
  public static PeerSegment open(
      MachineConfig config,
      Segment.Wire wire,
      BackendSpec peer,
      Ipv4Address guestAddress,
      boolean waitsForPeer) {
    return open(config, wire, peer, guestAddress, waitsForPeer, Machine::start);
  }

  /**
   * Likewise, of another make.
   *
   * @param maker makes the machine behind the wire
   */
  public static PeerSegment open(
      MachineConfig config,
      Segment.Wire wire,
      BackendSpec peer,
      Ipv4Address guestAddress,
      boolean waitsForPeer,
      GuestMachine.Maker maker) {
    PeerWire opened = PeerWire.open(config, wire, peer, waitsForPeer);
    try {
      return new PeerSegment(
          opened, maker.start(config, opened.end(), guestAddress, opened.timeline()));
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  /** The wire, as on the command line, with the port that it was given. */
  public String wire() {
    return wire.toString();
  }

  /** What this end of a VXLAN segment did and dropped, by words; null where the wire is none. */
  public Map<String, Long> vxlanTally() {
    return wire.vxlanTally();
  }

  /** The same in a line; none where the wire is no VXLAN segment. */
  public List<String> describeWire() {
    return wire.describe();
  }

  /**
   * Lets the guest ping another.
   *
   * @param progress told of each reply, in a line like ping's
   * @throws dev.virtiolab.lab.LabException if the peer refused this side, and nothing came back
   */
  public PingResult pingFromGuest(
      Ipv4Address target, long count, int size, boolean flood, Consumer<String> progress) {
    PingResult result =
        new GuestPing(machine.guest(), "the guest", target, count, size, flood, progress).run();
    if (result.received() == 0) {
      wire.checkRefusal();
    }
    return result;
  }

  /** Waits for Ctrl-C; peers may come and go. */
  public void runUntilInterrupted() {
    machine.runUntilInterrupted(() -> true);
  }

  /** What crossed so far, once the guest has taken back what the device is done with. */
  public TrafficReport report() {
    machine.guest().ask(firmware -> firmware.stack().poll(), () -> {});
    return machine.report();
  }

  /** The machine, for whoever watches it. */
  public GuestMachine machine() {
    return machine;
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> wireFaults() {
    return wire.faults();
  }

  /** What befell the frames so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return wire.faults().map(WireFaults::report);
  }

  /** Stops guest and device, and closes the wire. */
  @Override
  public void close() {
    try {
      machine.close();
    } finally {
      wire.close();
    }
  }
}
