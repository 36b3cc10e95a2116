package dev.virtiolab.lab.host;

import dev.virtiolab.posix.User;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What this machine allows, looked at rather than guessed. */
public final class Doctor {

  /**
   * One thing that was looked at.
   *
   * @param name of the thing
   * @param needed whether {@code vlab ping} needs it to have a host on the far side, and {@code
   *     vlab test} to skip nothing
   * @param found what there is; empty if it is missing
   * @param remedy what to do about it; empty if there is nothing to do
   */
  public record Finding(String name, boolean needed, String found, String remedy) {
    public boolean ok() {
      return !found.isEmpty();
    }
  }

  private static final Pattern VERSION = Pattern.compile("\\d+\\.\\d+[\\w.+~-]*|\\b\\d{6,}\\b");

  private Doctor() {}

  public static List<Finding> examine() {
    List<Finding> findings = new ArrayList<>();
    findings.add(new Finding("JDK 25", true, Runtime.version().toString(), ""));
    findings.add(tunDevice());
    findings.add(namespace());
    findings.add(command("ip", true, "iproute2", "-V"));
    findings.add(command("ping", true, "iputils-ping", "-V"));
    findings.add(pingsHost());
    findings.add(command("iperf3", false, "iperf3", "--version"));
    findings.add(command("tcpdump", false, "tcpdump", "--version"));
    findings.add(docker());
    findings.add(command("qemu-system-x86_64", false, "qemu-system-x86", "--version"));
    findings.add(command("dpdk-testpmd", false, "dpdk", "--version"));
    findings.add(hugePages());
    return findings;
  }

  private static Finding tunDevice() {
    String remedy = TunDevice.remedy();
    return new Finding(
        "/dev/net/tun", true, remedy.isEmpty() ? "readable and writable" : "", remedy);
  }

  /** What {@code vlab ping} does without --backend. */
  private static Finding pingsHost() {
    boolean host = HostCommand.find("ping").isPresent() && TapAccess.obstacle().isEmpty();
    return new Finding(
        "vlab ping",
        false,
        host
            ? "across a TAP, with the host"
            : "by a stream, with a second guest in the host's stead",
        "");
  }

  private static Finding namespace() {
    String name = "network namespace";
    if (HostCommand.find("unshare").isEmpty() || HostCommand.find("ip").isEmpty()) {
      return missing(name, true, "install the packages util-linux and iproute2");
    }
    String obstacle = NetworkNamespace.obstacle();
    return obstacle.isEmpty()
        ? new Finding(name, true, User.isRoot() ? "as root" : "with a user namespace", "")
        : missing(name, true, obstacle);
  }

  private static Finding command(
      String name, boolean needed, String debianPackage, String versionFlag) {
    return HostCommand.find(name)
        .map(
            path -> {
              HostCommand.Outcome outcome = HostCommand.run(List.of(path.toString(), versionFlag));
              Matcher version = VERSION.matcher(outcome.firstLine());
              return new Finding(name, needed, version.find() ? version.group() : "present", "");
            })
        .orElseGet(() -> missing(name, needed, "install the package " + debianPackage));
  }

  private static Finding docker() {
    if (HostCommand.find("docker").isEmpty()) {
      return missing("Docker engine", false, "install the package docker.io");
    }
    HostCommand.Outcome server =
        HostCommand.run(List.of("docker", "version", "--format", "{{.Server.Version}}"));
    return server.ok()
        ? new Finding("Docker engine", false, server.firstLine(), "")
        : missing(
            "Docker engine",
            false,
            "the client is there, but no engine answers: install docker.io and start dockerd");
  }

  private static Finding hugePages() {
    String pages = Host.setting("/proc/sys/vm/nr_hugepages");
    return pages.isEmpty() || pages.equals("0")
        ? missing("huge pages", false, "reserve some for DPDK: sudo sysctl vm.nr_hugepages=256")
        : new Finding("huge pages", false, pages + " reserved", "");
  }

  private static Finding missing(String name, boolean needed, String remedy) {
    return new Finding(name, needed, "", remedy);
  }
}
