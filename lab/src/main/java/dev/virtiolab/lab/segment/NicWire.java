package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.BackendSpecException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * The wire of a NIC whose guest is somebody else's: any {@code --backend}, with its faults and its
 * capture. Where it is a TAP, the host has {@value #HOST} on it.
 */
public final class NicWire implements AutoCloseable {
  private static final String HOST = "192.0.2.1/24";

  private final String name;
  private final Optional<TapBackend> tap;
  private final List<NetBackend> ends;
  private final Optional<WireFaults> faults;

  private NicWire(String name, Optional<TapBackend> tap, Segment.Wire.Plug plug) {
    this.name = name;
    this.tap = tap;
    ends = List.of(plug.end());
    faults = plug.faults();
  }

  private NicWire(List<TapBackend> queues) {
    name = queues.getFirst().name();
    tap = Optional.of(queues.getFirst());
    ends = List.copyOf(queues);
    faults = Optional.empty();
  }

  /** Whether {@code backend} is a TAP, for which a network namespace of its own is made. */
  public static boolean isTap(String backend) {
    return parse(backend) instanceof BackendSpec.TapInterface;
  }

  /**
   * Opens the wire, in this process's network namespace.
   *
   * @param queues how many a TAP is to have, one for each pair of the NIC's; other wires have one
   * @param mtu what the NIC will offer, for a TAP's
   * @param seed what the faults follow from
   * @throws LabException if it cannot be had
   */
  public static NicWire open(Segment.Wire wire, int queues, OptionalInt mtu, OptionalLong seed) {
    BackendSpec spec = parse(wire.backend());
    if (queues > 1) {
      return openQueues(wire, spec, queues, mtu);
    }
    if (spec instanceof BackendSpec.TapInterface tapSpec) {
      return openTap(tapSpec, wire, mtu, seed);
    }
    if (!wire.joined().isEmpty()) {
      throw LabException.usage("the first of several --backend is a TAP, not " + wire.backend());
    }
    NetBackend end = open(spec);
    String name = end.toString();
    try {
      return new NicWire(name, Optional.empty(), wire.dress(end, seed));
    } catch (RuntimeException e) {
      end.close();
      throw e;
    }
  }

  private static NicWire openQueues(
      Segment.Wire wire, BackendSpec spec, int queues, OptionalInt mtu) {
    String one = "";
    if (!(spec instanceof BackendSpec.TapInterface)) {
      one = "--backend " + wire.backend() + " has";
    } else if (!wire.joined().isEmpty()) {
      one = "the switch of several --backend has";
    } else if (!wire.faults().isQuiet()) {
      one = "--fault is for";
    } else if (wire.capture().isPresent()) {
      one = "--pcap is of";
    }
    if (!one.isEmpty()) {
      throw LabException.usage(
          "--queues %d: %s one queue only; a TAP alone can have more".formatted(queues, one));
    }
    List<TapBackend> opened = TapLink.openQueues((BackendSpec.TapInterface) spec, queues);
    try {
      TapLink.configure(opened.getFirst().name(), HOST, mtu.orElse(Segment.ETHERNET_MTU));
      return new NicWire(opened);
    } catch (RuntimeException e) {
      opened.forEach(NetBackend::close);
      throw e;
    }
  }

  private static NicWire openTap(
      BackendSpec.TapInterface spec, Segment.Wire wire, OptionalInt mtu, OptionalLong seed) {
    TapBackend tap = TapLink.open(spec);
    NetBackend end = tap;
    try {
      if (!wire.joined().isEmpty()) {
        end = Joint.of(wire.backend(), tap, wire.joined(), mtu).plug();
      }
      TapLink.configure(tap.name(), HOST, mtu.orElse(end.mtu().orElse(Segment.ETHERNET_MTU)));
      return new NicWire(tap.name(), Optional.of(tap), wire.dress(end, seed));
    } catch (RuntimeException e) {
      end.close();
      throw e;
    }
  }

  private static BackendSpec parse(String backend) {
    try {
      return BackendSpec.parse(backend);
    } catch (BackendSpecException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }

  private static NetBackend open(BackendSpec spec) {
    try {
      return spec.open();
    } catch (BackendOpenException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }

  /** What the NIC is plugged into: a wire for each pair of its queues. */
  public List<NetBackend> ends() {
    return ends;
  }

  /** The TAP's name, or the wire as on the command line. */
  public String name() {
    return name;
  }

  /** The host's address on it, with its prefix; empty where it is no TAP. */
  public String hostAddress() {
    return tap.isPresent() ? HOST : "";
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> wireFaults() {
    return faults;
  }

  /** What befell the frames so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return faults.map(WireFaults::report);
  }

  /** Closes it, and everything that was joined with it; nobody may be using it. */
  @Override
  public void close() {
    ends.forEach(NetBackend::close);
  }
}
