package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.Protocol;
import java.util.ArrayList;
import java.util.List;

/** A handle: the interfaces installed on it, and who has opened each. */
final class CoreHandle implements Handle {

  /** One protocol interface on one handle. */
  static final class Installed {
    final CoreHandle handle;
    final Protocol<?> protocol;
    final Object iface;
    final List<Opened> opens = new ArrayList<>();

    Installed(CoreHandle handle, Protocol<?> protocol, Object iface) {
      this.handle = handle;
      this.protocol = protocol;
      this.iface = iface;
    }
  }

  /**
   * One entry of an interface's list of agents.
   *
   * @param attributes of {@link dev.virtiolab.firmware.uefi.OpenAttribute}
   */
  record Opened(CoreHandle agent, CoreHandle controller, int attributes) {
    boolean has(int attribute) {
      return (attributes & attribute) != 0;
    }
  }

  /** What is installed here, the last first, as edk2 keeps it. */
  final List<Installed> installed = new ArrayList<>();

  private final int number;

  CoreHandle(int number) {
    this.number = number;
  }

  /** What is installed here under this protocol's GUID, or null. */
  Installed find(Protocol<?> protocol) {
    for (Installed candidate : installed) {
      if (candidate.protocol.guid().equals(protocol.guid())) {
        return candidate;
      }
    }
    return null;
  }

  /** The controllers of all opens here with this attribute, by one agent or (null) by any. */
  List<CoreHandle> controllers(int attribute, CoreHandle agent) {
    return opens(attribute, agent).stream().map(Opened::controller).distinct().toList();
  }

  /** The agents of all opens here with this attribute. */
  List<CoreHandle> agents(int attribute) {
    return opens(attribute, null).stream().map(Opened::agent).distinct().toList();
  }

  private List<Opened> opens(int attribute, CoreHandle agent) {
    return installed.stream()
        .flatMap(each -> each.opens.stream())
        .filter(open -> open.has(attribute) && (agent == null || open.agent == agent))
        .toList();
  }

  @Override
  public String toString() {
    return "handle " + number;
  }
}
