package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.host.HostCommand;
import java.util.List;

/** The host's side of a TAP: address, state, and nothing that would speak on its own. */
final class TapLink {

  private TapLink() {}

  /**
   * Gives the interface its address and brings it up.
   *
   * @param name of the interface, in this process's namespace
   * @param addressAndPrefix such as {@code 192.0.2.1/24}
   * @param mtu bytes of IP per frame
   */
  static void configure(String name, String addressAndPrefix, int mtu) {
    String ip = HostCommand.require("ip", "iproute2");
    HostCommand.runOrFail(ip, "link", "set", "dev", "lo", "up");
    // No link-local IPv6 address: what then crosses the wire is what the user asked for.
    HostCommand.run(List.of(ip, "link", "set", "dev", name, "addrgenmode", "none"));
    HostCommand.runOrFail(ip, "address", "add", addressAndPrefix, "dev", name);
    HostCommand.runOrFail(ip, "link", "set", "dev", name, "mtu", Integer.toString(mtu), "up");
  }
}
