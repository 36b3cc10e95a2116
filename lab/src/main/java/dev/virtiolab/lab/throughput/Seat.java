package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.lab.host.NetworkNamespace;
import dev.virtiolab.lab.segment.TapLink;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.posix.NetNamespace;
import dev.virtiolab.posix.PosixException;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** The network in which an iperf3 sits: a namespace of its own, or the one that vlab is in. */
final class Seat implements AutoCloseable {
  private static final int PREFIX_LENGTH = 24;

  /** Of the calling thread's network; /proc/net is the main thread's. */
  private static final String INTERFACES = "/proc/thread-self/net/dev";

  /** The drop column of what a line of {@link #INTERFACES} counts as sent, after name and colon. */
  private static final int SENT_DROPS = 11;

  /** Empty: the present one. */
  private final Optional<NetNamespace> namespace;

  private Seat(Optional<NetNamespace> namespace) {
    this.namespace = namespace;
  }

  /**
   * In a network namespace without a name and with nothing else in it.
   *
   * @throws LabException if none can be made
   */
  static Seat ofItsOwn() {
    try {
      return new Seat(Optional.of(NetNamespace.create()));
    } catch (PosixException e) {
      String obstacle = NetworkNamespace.obstacle();
      throw LabException.usage(
          (obstacle.isEmpty() ? e.getMessage() : obstacle)
              + "; with --here, CAP_NET_ADMIN in the present one suffices",
          e);
    }
  }

  /** In the network namespace of this process, which has to have the right to administer it. */
  static Seat here() {
    return new Seat(Optional.empty());
  }

  /**
   * Makes a TAP in it, up and with an address.
   *
   * @param name empty to let the kernel choose
   * @param address without a prefix, whose length is 24
   * @param mtu bytes of IP per frame
   * @throws LabException if the host does not allow it
   */
  TapBackend openTap(String name, MacAddress mac, String address, int mtu) {
    TapBackend tap = inside(() -> TapLink.open(new BackendSpec.TapInterface(name)));
    try {
      TapLink.ip(command(), "link", "set", "dev", tap.name(), "address", mac.toString());
      TapLink.configure(command(), tap.name(), address + "/" + PREFIX_LENGTH, mtu);
      return tap;
    } catch (RuntimeException e) {
      tap.close();
      throw e;
    }
  }

  /** Does {@code work} on a thread that is inside. */
  <T> T inside(Supplier<T> work) {
    return namespace.isPresent() ? namespace.get().inside(work) : work.get();
  }

  /** What a command begins with that is to run inside. */
  List<String> command() {
    return namespace
        .map(
            its ->
                List.of(HostCommand.require("nsenter", "util-linux"), "--net=" + its.path(), "--"))
        .orElse(List.of());
  }

  /** How somebody else runs a command inside; empty where it is the present one. */
  String enter() {
    if (namespace.isEmpty()) {
      return "";
    }
    String target = "nsenter --net=" + namespace.get().path();
    return NetworkNamespace.ownsUsers()
        ? target + " --user --preserve-credentials --target " + ProcessHandle.current().pid()
        : target;
  }

  /** Frames that the kernel inside wanted to send on an interface and could not. */
  long droppedByHost(String tap) {
    return inside(() -> sentDrops(tap));
  }

  private static long sentDrops(String tap) {
    // Not by a channel, which Ctrl-C would close: it does not cost the user the summary.
    try (InputStream file = new FileInputStream(INTERFACES)) {
      String text = new String(file.readAllBytes(), StandardCharsets.UTF_8);
      for (String line : text.lines().toList()) {
        String[] halves = line.strip().split(":", 2);
        if (halves.length == 2 && halves[0].equals(tap)) {
          return Long.parseLong(halves[1].strip().split("\\s+")[SENT_DROPS]);
        }
      }
      throw LabException.failure("the wire is gone: " + tap + " was deleted");
    } catch (IOException e) {
      throw LabException.failure("cannot read " + INTERFACES + ": " + e, e);
    }
  }

  /** Lets go of the namespace, which ends with what is in it. */
  @Override
  public void close() {
    namespace.ifPresent(NetNamespace::close);
  }
}
