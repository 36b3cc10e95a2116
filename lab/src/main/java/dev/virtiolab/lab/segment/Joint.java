package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.bridge.BridgedBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
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
    List<NetBackend> opened = Ports.open(others);
    try {
      List<NetBackend> wires = new ArrayList<>(List.of(first));
      wires.addAll(opened);
      Ports.bringUpTaps(opened, Ports.mtu(mtu, wires));
      List<String> names = new ArrayList<>(List.of("NIC", firstName));
      names.addAll(others);
      return new Joint(BridgedBackend.join(wires), names, wires);
    } catch (RuntimeException e) {
      opened.forEach(NetBackend::close);
      throw e;
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
      // The NIC's own counters are in the report.
      Optional<BackendCounters> wire =
          port == BridgedBackend.NIC_PORT
              ? Optional.empty()
              : Optional.of(wires.get(port - 1).counters());
      lines.add(Ports.describe(port, names.get(port), plug.bridge().counters(port), wire));
    }
    lines.addAll(Ports.describeVxlan(wires));
    return lines;
  }
}
