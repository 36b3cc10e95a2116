package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.lab.host.TunDevice;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.CapturingBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.PosixException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** The host's side of a TAP: address, state, and nothing that would speak on its own. */
public final class TapLink {

  private TapLink() {}

  /**
   * Makes the interface, down at first, in this process's network namespace.
   *
   * @throws LabException if the host does not allow it
   */
  public static TapBackend open(BackendSpec.TapInterface spec) {
    return made(spec::open);
  }

  /**
   * Likewise an interface with several queues, of which the first is {@linkplain
   * TapBackend#openQueues attached}.
   *
   * @param queues 1 makes an ordinary one
   */
  public static List<TapBackend> openQueues(BackendSpec.TapInterface spec, int queues) {
    return queues == 1
        ? List.of(open(spec))
        : made(() -> TapBackend.openQueues(spec.name(), queues));
  }

  private static <T> T made(Supplier<T> maker) {
    try {
      return maker.get();
    } catch (PosixException e) {
      String remedy = remedy(e);
      throw LabException.usage(
          "no TAP can be made: " + e.getMessage() + (remedy.isEmpty() ? "" : "; " + remedy), e);
    }
  }

  private static String remedy(PosixException failure) {
    String ofTheDevice = TunDevice.remedy();
    return ofTheDevice.isEmpty() && failure.errno() == Errno.EPERM
        ? "be root in this network namespace (in a container: --cap-add NET_ADMIN)"
        : ofTheDevice;
  }

  /**
   * Captures what crosses {@code wire}, which is closed with what is returned.
   *
   * @param file is made, or overwritten
   * @throws LabException if it cannot be written
   */
  public static NetBackend capture(NetBackend wire, Path file) {
    try {
      return CapturingBackend.open(wire, file);
    } catch (IOException e) {
      throw LabException.usage("cannot write --pcap " + file + ": " + e, e);
    }
  }

  /**
   * Gives the interface its address and brings it up.
   *
   * @param name of the interface, in this process's namespace
   * @param addressAndPrefix such as {@code 192.0.2.1/24}
   * @param mtu bytes of IP per frame
   */
  public static void configure(String name, String addressAndPrefix, int mtu) {
    configure(List.of(), name, addressAndPrefix, mtu);
  }

  /** Brings the interface up without an address, in this process's network namespace. */
  static void bringUp(String name, int mtu) {
    HostCommand.run(command(List.of(), "link", "set", "dev", name, "addrgenmode", "none"));
    ip(List.of(), "link", "set", "dev", name, "mtu", Integer.toString(mtu), "up");
  }

  /**
   * Likewise in another namespace.
   *
   * @param inside the command that runs another one there, such as {@code nsenter}
   */
  public static void configure(List<String> inside, String name, String addressAndPrefix, int mtu) {
    ip(inside, "link", "set", "dev", "lo", "up");
    // No link-local IPv6 address: what then crosses the wire is what the user asked for. An old
    // kernel without the setting is no reason to fail.
    HostCommand.run(command(inside, "link", "set", "dev", name, "addrgenmode", "none"));
    ip(inside, "address", "add", addressAndPrefix, "dev", name);
    ip(inside, "link", "set", "dev", name, "mtu", Integer.toString(mtu), "up");
  }

  /**
   * Runs {@code ip}.
   *
   * @param inside as {@link #configure(List, String, String, int)}
   * @throws LabException with what it printed, if it fails
   */
  public static void ip(List<String> inside, String... arguments) {
    HostCommand.runOrFail(command(inside, arguments).toArray(String[]::new));
  }

  private static List<String> command(List<String> inside, String... arguments) {
    List<String> command = new ArrayList<>(inside);
    command.add(HostCommand.require("ip", "iproute2"));
    command.addAll(List.of(arguments));
    return command;
  }
}
