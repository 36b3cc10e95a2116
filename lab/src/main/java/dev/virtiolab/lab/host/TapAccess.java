package dev.virtiolab.lab.host;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Whether this user can have a TAP in a network namespace of its own: tried, not guessed. */
public final class TapAccess {
  private static final String PROBE = "vlab0";

  private TapAccess() {}

  /**
   * Why there can be none, in one line; empty if there can be one, and in a process that is inside
   * such a namespace already.
   *
   * @throws dev.virtiolab.lab.LabException if Ctrl-C comes first
   */
  public static String obstacle() {
    if (NetworkNamespace.entered()) {
      return "";
    }
    Optional<String> missing =
        HostCommand.missing("unshare", "util-linux")
            .or(() -> HostCommand.missing("ip", "iproute2"));
    if (missing.isPresent()) {
      return missing.get();
    }
    // The interface goes with the namespace, which goes with this command.
    List<String> probe = new ArrayList<>(NetworkNamespace.unshare());
    probe.add(HostCommand.require("ip", "iproute2"));
    probe.addAll(List.of("tuntap", "add", "dev", PROBE, "mode", "tap"));
    HostCommand.Outcome outcome = HostCommand.run(probe);
    if (outcome.ok()) {
      return "";
    }
    String remedy = TunDevice.remedy();
    if (!remedy.isEmpty()) {
      return "/dev/net/tun cannot be opened; " + remedy;
    }
    String namespace = NetworkNamespace.obstacle();
    return namespace.isEmpty() ? "no TAP can be made: " + outcome.firstLine() : namespace;
  }
}
