package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.BackendSpecException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.net.bridge.PortCounters;
import dev.virtiolab.net.netty.VxlanBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** The wires that a switch joins: read, opened, and told of. */
final class Ports {
  private Ports() {}

  /**
   * Opens wires that are to be joined.
   *
   * @param backends as on the command line
   * @throws LabException if one of them cannot be read, be had or be joined; none is open then
   */
  static List<NetBackend> open(List<String> backends) {
    List<BackendSpec> specs = backends.stream().map(Ports::parse).toList();
    List<NetBackend> wires = new ArrayList<>();
    try {
      for (BackendSpec spec : specs) {
        wires.add(open(spec));
      }
      return wires;
    } catch (RuntimeException e) {
      wires.forEach(NetBackend::close);
      throw e;
    }
  }

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

  /** What crosses all of them in one piece: what was said, else what they take. */
  static int mtu(OptionalInt said, List<NetBackend> wires) {
    return said.orElse(
        wires.stream()
            .map(NetBackend::mtu)
            .flatMapToInt(OptionalInt::stream)
            .min()
            .orElse(Segment.ETHERNET_MTU));
  }

  /** Brings the TAPs among them up, without an address. */
  static void bringUpTaps(List<NetBackend> wires, int mtu) {
    wires.stream()
        .filter(TapBackend.class::isInstance)
        .forEach(tap -> TapLink.bringUp(((TapBackend) tap).name(), mtu));
  }

  /**
   * What crossed one port, in a line.
   *
   * @param wire what its back end counted; empty where that is told elsewhere
   */
  static String describe(
      int port, String name, PortCounters counters, Optional<BackendCounters> wire) {
    String crossed =
        wire.map(its -> String.format(", %d sent, %d lost", its.framesOut(), its.droppedOut()))
            .orElse("");
    return String.format(
        "switch port %d, %s: %d relayed, %d flooded, %d filtered, %d without room%s",
        port,
        name,
        counters.relayed(),
        counters.flooded(),
        counters.filtered(),
        counters.noRoom() + counters.tooLong(),
        crossed);
  }

  /** A line for each VXLAN segment among them. */
  static List<String> describeVxlan(List<NetBackend> wires) {
    return wires.stream()
        .filter(VxlanBackend.class::isInstance)
        .map(wire -> VxlanTally.describe((VxlanBackend) wire))
        .toList();
  }
}
