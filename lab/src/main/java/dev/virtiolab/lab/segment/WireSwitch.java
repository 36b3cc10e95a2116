package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.DatagramBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.SinkBackend;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.net.bridge.BridgeLoop;
import dev.virtiolab.net.bridge.LearningBridge;
import dev.virtiolab.net.bridge.PortCounters;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** A switch with wires at all its ports, and no NIC. Ports are numbered from 1. */
public final class WireSwitch implements AutoCloseable {
  private static final long LOOK_MILLIS = 100;

  /**
   * One port.
   *
   * @param number from 1
   * @param wire as on the command line, with the name or port that it was given
   * @param tap the interface's name; null where the wire is no TAP
   */
  public record Port(int number, String wire, String tap) {}

  /**
   * What crossed one port: see {@link PortCounters} and {@link BackendCounters}.
   *
   * @param relayed frames from here that went to one other port
   * @param flooded frames from here that went to all others
   * @param noRoom copies that this port had no room for
   * @param tooLong copies that were longer than this port's wire takes
   * @param sent frames that its wire took
   * @param lost frames that its wire was given and lost
   */
  public record Crossed(
      Port port,
      long relayed,
      long flooded,
      long filtered,
      long noRoom,
      long tooLong,
      long sent,
      long lost) {}

  private final List<NetBackend> wires;
  private final List<Port> ports;
  private final BridgeLoop loop;
  private final Optional<WireFaults> faults;

  private WireSwitch(
      List<NetBackend> wires, List<Port> ports, BridgeLoop loop, Optional<WireFaults> faults) {
    this.wires = wires;
    this.ports = ports;
    this.loop = loop;
    this.faults = faults;
  }

  /**
   * Opens the wires, in the present network namespace, and joins them. TAPs are up and have no
   * address.
   *
   * @param wire the wires, two at least; capture and faults are of the first
   * @param mtu of the TAPs; empty: what the others take
   * @param seed what the faults follow from
   * @throws LabException if one of them cannot be read, be had or be joined
   */
  public static WireSwitch open(Segment.Wire wire, OptionalInt mtu, OptionalLong seed) {
    List<String> backends = new ArrayList<>(List.of(wire.backend()));
    backends.addAll(wire.joined());
    if (backends.size() < 2) {
      throw LabException.usage("a switch joins two wires or more: give --backend again");
    }
    List<NetBackend> wires = Ports.open(backends);
    List<NetBackend> ends = new ArrayList<>(wires);
    try {
      Ports.bringUpTaps(wires, Ports.mtu(mtu, wires));
      Segment.Wire.Plug first = wire.dress(wires.getFirst(), seed);
      ends.set(0, first.end());
      List<Port> ports = new ArrayList<>();
      for (int i = 0; i < wires.size(); i++) {
        ports.add(port(i + 1, backends.get(i), wires.get(i)));
      }
      BridgeLoop loop = BridgeLoop.start(new LearningBridge(ends));
      return new WireSwitch(wires, ports, loop, first.faults());
    } catch (RuntimeException e) {
      ends.forEach(NetBackend::close);
      throw e;
    }
  }

  private static Port port(int number, String text, NetBackend wire) {
    return switch (wire) {
      case TapBackend tap -> new Port(number, "tap:" + tap.name(), tap.name());
      case SinkBackend _, DatagramBackend _ -> new Port(number, text, null);
      default -> new Port(number, wire.toString(), null);
    };
  }

  /** What is joined. */
  public List<Port> ports() {
    return ports;
  }

  /** What the switch did with the frames of a port; any thread. */
  public PortCounters counters(Port port) {
    return loop.bridge().counters(port.number - 1);
  }

  /** What crossed the wire at a port; any thread. */
  public BackendCounters wire(Port port) {
    return wires.get(port.number - 1).counters();
  }

  /** Whether the wire at a port is connected; any thread. */
  public boolean wireUp(Port port) {
    return wires.get(port.number - 1).linkUp();
  }

  /**
   * Waits for Ctrl-C; peers may come and go.
   *
   * @throws LabException if a TAP is deleted
   */
  public void runUntilInterrupted() {
    try {
      while (loop.running()) {
        for (Port port : ports) {
          if (port.tap != null && !wireUp(port)) {
            throw LabException.failure("the wire is gone: " + port.wire + " was deleted");
          }
        }
        Thread.sleep(LOOK_MILLIS);
      }
      throw new IllegalStateException("the switch's loop died");
    } catch (InterruptedException e) {
      // Ctrl-C is how this ends.
    }
  }

  /** What crossed each port so far. */
  public List<Crossed> crossed() {
    return ports.stream().map(this::crossed).toList();
  }

  private Crossed crossed(Port port) {
    PortCounters counters = counters(port);
    return new Crossed(
        port,
        counters.relayed(),
        counters.flooded(),
        counters.filtered(),
        counters.noRoom(),
        counters.tooLong(),
        wire(port).framesOut(),
        wire(port).droppedOut());
  }

  /** The same for a person, a line for each port, and one for each VXLAN segment. */
  public List<String> describePorts() {
    List<String> lines = new ArrayList<>();
    for (Port port : ports) {
      lines.add(Ports.describe(port.number, port.wire, counters(port), Optional.of(wire(port))));
    }
    lines.addAll(Ports.describeVxlan(wires));
    return lines;
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> wireFaults() {
    return faults;
  }

  /** What befell the frames at the first port so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return faults.map(WireFaults::report);
  }

  /** Stops the switch, and closes every wire. */
  @Override
  public void close() {
    loop.close();
  }
}
