package dev.virtiolab.lab.host;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.trace.Recordings;
import dev.virtiolab.posix.Exec;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.User;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A network namespace of the lab's own, without a name: it ends with its last process, so that no
 * way of dying leaves an interface behind.
 *
 * <p>A Java process has many threads and so cannot enter a user namespace. Therefore it replaces
 * itself: the same process starts over inside, as {@code unshare --net java ...}, with a system
 * property set. An ordinary user gets a user namespace too, in which it is root.
 */
public final class NetworkNamespace {
  /** The system property that says: this process is inside. */
  private static final String ENTERED = "vlab.namespace";

  /**
   * A descriptor that goes along.
   *
   * @param property whose value inside is the number
   */
  public record HandedOn(String property, int fd) {}

  private NetworkNamespace() {}

  /** Whether this process was started over inside a namespace of its own, of whatever kind. */
  public static boolean entered() {
    return System.getProperty(ENTERED) != null;
  }

  /** Whether this process is inside a user namespace of its own: an ordinary user outside. */
  public static boolean ownsUsers() {
    return "user".equals(System.getProperty(ENTERED));
  }

  /** What a user types before a command that is to run in this process's network. */
  public static String enterCommand() {
    String target = "nsenter --target " + ProcessHandle.current().pid();
    return ownsUsers()
        ? target + " --user --preserve-credentials --net"
        : "sudo " + target + " --net";
  }

  /**
   * Starts this process over in a namespace of its own; returns at once where that has been done.
   *
   * @throws LabException if the host does not allow it
   */
  public static void enter() {
    enter(List.of());
  }

  /**
   * Likewise.
   *
   * @param handedOn descriptors that the process has inside as well, under the same numbers; each
   *     as a system property by which it finds them
   */
  public static void enter(List<HandedOn> handedOn) {
    if (entered()) {
      return;
    }
    probe();
    startOver(unshare(), handedOn);
  }

  /**
   * Sees to it that this process can make network namespaces, and stays in the network that it is
   * in: where it is an ordinary user's, it starts over as root of a user namespace of its own.
   *
   * @throws LabException if the host does not allow it
   */
  public static void enterUserNamespace() {
    if (entered() || User.isRoot()) {
      return;
    }
    probe();
    startOver(unshareUsers(), List.of());
  }

  private static void startOver(List<String> unshare, List<HandedOn> handedOn) {
    List<String> command = new ArrayList<>(unshare);
    List<String> self = OwnProcess.commandLine();
    command.add(self.getFirst());
    command.add("-D" + ENTERED + "=" + (User.isRoot() ? "net" : "user"));
    handedOn.forEach(each -> command.add("-D" + each.property + "=" + each.fd));
    command.addAll(self.subList(1, self.size()));
    if (Thread.interrupted()) {
      // Ctrl-C came while the host was asked: the program that follows would know nothing of it.
      throw LabException.interrupted();
    }
    Recordings.abandon();
    try {
      Exec.replace(command, handedOn.stream().mapToInt(HandedOn::fd).toArray());
    } catch (PosixException e) {
      throw LabException.failure("cannot start over in a network namespace: " + e.getMessage(), e);
    }
  }

  /** Whether {@link #enter} would be allowed; if not, why. */
  public static String obstacle() {
    List<String> probe = new ArrayList<>(unshare());
    probe.addAll(List.of(HostCommand.require("ip", "iproute2"), "link", "set", "lo", "up"));
    HostCommand.Outcome outcome = HostCommand.run(probe);
    return outcome.ok() ? "" : explain(User.isRoot(), Host::setting, outcome.firstLine());
  }

  private static void probe() {
    String obstacle = obstacle();
    if (!obstacle.isEmpty()) {
      throw LabException.usage(obstacle);
    }
  }

  /** The command that runs another one in a new network namespace. */
  static List<String> unshare() {
    if (User.isRoot()) {
      return List.of(HostCommand.require("unshare", "util-linux"), "--net");
    }
    List<String> command = new ArrayList<>(unshareUsers());
    command.add("--net");
    return command;
  }

  private static List<String> unshareUsers() {
    return List.of(HostCommand.require("unshare", "util-linux"), "--user", "--map-root-user");
  }

  /**
   * @param setting reads a small file of the kernel's; empty where there is none
   * @param refusal what unshare or ip said
   */
  static String explain(boolean root, UnaryOperator<String> setting, String refusal) {
    if (root) {
      return "no network namespace can be made, though this is root (in a container: allow "
          + "CAP_SYS_ADMIN): "
          + refusal;
    }
    if (setting.apply("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").equals("1")) {
      return "AppArmor keeps ordinary users from user namespaces here: run as root, or allow it with"
          + " sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    }
    if (setting.apply("/proc/sys/kernel/unprivileged_userns_clone").equals("0")) {
      return "ordinary users may not make user namespaces here: run as root, or allow it with sudo"
          + " sysctl kernel.unprivileged_userns_clone=1";
    }
    if (setting.apply("/proc/sys/user/max_user_namespaces").equals("0")) {
      return "user namespaces are switched off here: run as root, or allow them with sudo sysctl"
          + " user.max_user_namespaces=10000";
    }
    return "no user namespace can be made here; run as root: " + refusal;
  }
}
