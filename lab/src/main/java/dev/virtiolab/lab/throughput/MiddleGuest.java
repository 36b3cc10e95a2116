package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * A guest that carries frames between its network card and a TAP. The TAP has the card's own
 * Ethernet address: to whoever is on the card's wire the kernel behind the guest is the guest.
 */
final class MiddleGuest implements AutoCloseable {
  private final Seat seat;
  private final String address;
  private final TapBackend tap;
  private final Machine machine;
  private final Relay relay;
  private final CompletableFuture<Relay.Counts> relaying;

  private MiddleGuest(Seat seat, String address, TapBackend tap, Machine machine) {
    this.seat = seat;
    this.address = address;
    this.tap = tap;
    this.machine = machine;
    relay = new Relay(machine.board().platform().cpuMemory(), tap);
    relaying = machine.guest().begin(relay::run);
  }

  /**
   * Makes the TAP, boots the guest and lets it carry.
   *
   * @param wire of its network card; stays the caller's to close, after the guest
   * @param seat where the TAP is to be; stays the caller's as well
   * @param tapName empty to let the kernel choose
   * @param address of the kernel behind the guest
   * @param mtu of the TAP
   * @throws LabException if the host does not allow a TAP, or the guest does not boot
   */
  static MiddleGuest open(
      MachineConfig config,
      NetBackend wire,
      Optional<Trace> timeline,
      Seat seat,
      String tapName,
      Ipv4Address address,
      int mtu) {
    TapBackend tap = seat.openTap(tapName, config.mac(), address.toString(), mtu);
    try {
      Machine machine = Machine.start(config, wire, address, timeline);
      return new MiddleGuest(seat, address.toString(), tap, machine);
    } catch (RuntimeException e) {
      tap.close();
      throw e;
    }
  }

  /**
   * Looks whether it carries.
   *
   * @throws LabException if it does not
   */
  void check() {
    if (relaying.isDone()) {
      counts(); // throws what it died of
      throw LabException.failure("the wire is gone: the TAP behind the guest was deleted");
    }
  }

  /** Ends the carrying, and says what was carried. */
  PathReport.Relaying stop() {
    relay.stop();
    Relay.Counts counts = counts();
    return new PathReport.Relaying(counts.toWire(), counts.fromWire(), counts.dropped());
  }

  private Relay.Counts counts() {
    try {
      return relaying.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException known ? known : e;
    }
  }

  /** The TAP behind it; complete once the guest has {@linkplain #stop stopped}. */
  PathReport.End end(long droppedByHost) {
    return PathReport.End.of(address, tap, droppedByHost);
  }

  /** Frames that the kernel behind it could not send on the TAP. */
  long droppedByHost() {
    return seat.droppedByHost(tap.name());
  }

  String tapName() {
    return tap.name();
  }

  Machine machine() {
    return machine;
  }

  /** Switches the guest off, and takes the TAP down. */
  @Override
  public void close() {
    relay.stop();
    try {
      machine.close();
    } finally {
      tap.close();
    }
  }
}
