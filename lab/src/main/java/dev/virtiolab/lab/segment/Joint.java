package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.BackendSpecException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.net.bridge.BridgedBackend;
import dev.virtiolab.net.bridge.PortCounters;
import dev.virtiolab.net.netty.VxlanBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/** Several wires that a switch makes one for the NIC. */
final class Joint {
  private final BridgedBackend plug;
  private final List<String> names;
  private final List<NetBackend> wires;

  private Joint(BridgedBackend plug, List<String> names, List<NetBackend> wires) {
    this.plug = plug;
    this.names = names;
    this.wires = wires;
  }

  /**
   * Opens {@code others}, and joins them with {@code first} and a NIC.
   *
   * @param firstName as on the command line
   * @param first stays the caller's to close where this throws
   * @param mtu of the TAPs among them, which are up and have no address; empty: what the others
   *     take
   * @throws LabException if one of them cannot be had
   */
  static Joint of(String firstName, NetBackend first, List<String> others, OptionalInt mtu) {
    List<BackendSpec> specs = others.stream().map(Joint::parse).toList();
    List<NetBackend> wires = new ArrayList<>(List.of(first));
    try {
      for (BackendSpec spec : specs) {
        wires.add(open(spec));
      }
      int least =
          mtu.orElse(
              wires.stream()
                  .map(NetBackend::mtu)
                  .flatMapToInt(OptionalInt::stream)
                  .min()
                  .orElse(Segment.ETHERNET_MTU));
      wires.stream()
          .skip(1)
          .filter(TapBackend.class::isInstance)
          .forEach(tap -> TapLink.bringUp(((TapBackend) tap).name(), least));
      List<String> names = new ArrayList<>(List.of("NIC", firstName));
      names.addAll(others);
      return new Joint(BridgedBackend.join(wires), names, wires);
    } catch (RuntimeException e) {
      wires.stream().skip(1).forEach(NetBackend::close);
      throw e;
    }
  }

  /**
   * Reads one {@code --backend} of several.
   *
   * @throws LabException if it cannot be read, or not be joined
   */
  private static BackendSpec parse(String text) {
    try {
      BackendSpec spec = BackendSpec.parse(text);
      if (spec instanceof BackendSpec.Loopback) {
        throw LabException.usage(
            "--backend " + text + " cannot be joined with others: each frame would come back");
      }
      return spec;
    } catch (BackendSpecException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }

  private static NetBackend open(BackendSpec spec) {
    if (spec instanceof BackendSpec.TapInterface tap) {
      return TapLink.open(tap);
    }
    try {
      return spec.open();
    } catch (BackendOpenException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }

  /** What the NIC is plugged into; closing it closes everything. */
  NetBackend plug() {
    return plug;
  }

  /** What crossed each port of the switch, a line for each. */
  List<String> describePorts() {
    List<String> lines = new ArrayList<>();
    for (int port = 0; port < names.size(); port++) {
      PortCounters counters = plug.bridge().counters(port);
      // The NIC's own counters are in the report.
      String crossed =
          port == BridgedBackend.NIC_PORT
              ? ""
              : String.format(
                  ", %d sent, %d lost",
                  wires.get(port - 1).counters().framesOut(),
                  wires.get(port - 1).counters().droppedOut());
      lines.add(
          String.format(
              "switch port %d, %s: %d relayed, %d flooded, %d filtered, %d without room%s",
              port,
              names.get(port),
              counters.relayed(),
              counters.flooded(),
              counters.filtered(),
              counters.noRoom() + counters.tooLong(),
              crossed));
    }
    wires.forEach(
        wire -> {
          if (wire instanceof VxlanBackend vxlan) {
            lines.add(VxlanTally.describe(vxlan));
          }
        });
    return lines;
  }
}
