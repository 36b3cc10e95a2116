package dev.virtiolab.integration.containers;

import com.github.dockerjava.api.model.Capability;
import dev.virtiolab.integration.containers.Docker.Subnet;
import dev.virtiolab.net.fixture.TestCertificates;
import dev.virtiolab.testkit.containers.LabContainer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.lifecycle.Startables;
import org.testcontainers.utility.MountableFile;

/**
 * Two labs, each in a container of its own, whose NICs a wire joins. Behind each guest's driver is
 * the container's kernel, with a TAP and iperf3, and beside it a container with tools.
 *
 * <pre>
 *   tools, iperf3 - kernel - tap0 - driver - NIC = wire = NIC - driver - tap0 - kernel - iperf3, tools
 * </pre>
 */
final class TwoLabs implements AutoCloseable {
  static final String LEFT = "192.0.2.2";
  static final String RIGHT = "192.0.2.3";
  static final String LEFT_MAC = "52:54:00:00:00:02";
  static final String RIGHT_MAC = "52:54:00:00:00:03";

  /** Numbers of the containers in their network. */
  static final int LEFT_HOST = 12;

  static final int RIGHT_HOST = 13;

  private static final String TLS_FOLDER = "/home/lab/tls";
  private static final int ETHERNET_MTU = 1500;
  private static final int VXLAN_BYTES = 50;

  /** A wire between two labs, and the MTU that both NICs have to have then. */
  enum LabWire {
    /** RFC 7348: what its headers take of the network's MTU is not there for guests. */
    VXLAN(ETHERNET_MTU, ETHERNET_MTU - VXLAN_BYTES) {
      @Override
      List<String> options(Subnet subnet, boolean left) {
        return List.of("--backend", vxlan(subnet, left));
      }
    },

    /** In a network of large frames. */
    JUMBO_VXLAN(9000 + VXLAN_BYTES, 9000) {
      @Override
      List<String> options(Subnet subnet, boolean left) {
        return List.of("--mtu", "9000", "--backend", vxlan(subnet, left));
      }
    },

    STREAM_WITH_TLS(ETHERNET_MTU, ETHERNET_MTU) {
      @Override
      List<String> options(Subnet subnet, boolean left) {
        return List.of(
            "--backend",
            "stream:" + (left ? "listen:0.0.0.0" : "left") + ":7001,tls=" + TLS_FOLDER);
      }
    },

    DGRAM(ETHERNET_MTU, 1280) {
      @Override
      List<String> options(Subnet subnet, boolean left) {
        String one = subnet.address(LEFT_HOST) + ":7002";
        String other = subnet.address(RIGHT_HOST) + ":7002";
        return List.of(
            "--mtu",
            "1280",
            "--backend",
            "dgram:" + (left ? one + "," + other : other + "," + one));
      }
    };

    final int networkMtu;
    final int mtu;

    LabWire(int networkMtu, int mtu) {
      this.networkMtu = networkMtu;
      this.mtu = mtu;
    }

    abstract List<String> options(Subnet subnet, boolean left);

    private static String vxlan(Subnet subnet, boolean left) {
      return "vxlan:%s,vni=42,peer=%s"
          .formatted(
              subnet.address(left ? LEFT_HOST : RIGHT_HOST),
              subnet.address(left ? RIGHT_HOST : LEFT_HOST));
    }
  }

  final LabWire wire;
  final Subnet subnet;
  final LabContainer left;
  final LabContainer right;
  GenericContainer<?> leftTools;
  GenericContainer<?> rightTools;

  private TwoLabs(LabWire wire, Subnet subnet, Path certificates, List<String> more) {
    this.wire = wire;
    this.subnet = subnet;
    left = lab(true, more).withNetworkAliases("left");
    right = lab(false, more);
    if (wire == LabWire.STREAM_WITH_TLS) {
      TestCertificates authority = new TestCertificates();
      Path server =
          authority.folder(certificates.resolve("server"), true, authority.issueFor("left"));
      Path client =
          authority.folder(certificates.resolve("client"), false, authority.issueFor("right"));
      left.withCopyFileToContainer(MountableFile.forHostPath(server), TLS_FOLDER);
      right.withCopyFileToContainer(MountableFile.forHostPath(client), TLS_FOLDER);
    }
  }

  /**
   * Starts both, and their tools.
   *
   * @param certificates a folder for them
   * @param more options of both labs
   */
  static TwoLabs start(LabWire wire, Path certificates, String... more) {
    TwoLabs labs = new TwoLabs(wire, Subnet.make(wire.networkMtu), certificates, List.of(more));
    try {
      Startables.deepStart(labs.left, labs.right).join();
      labs.leftTools = Docker.peerIn(labs.left);
      labs.rightTools = Docker.peerIn(labs.right);
      Startables.deepStart(labs.leftTools, labs.rightTools).join();
      Docker.await("both wires are up", () -> isUp(labs.left) && isUp(labs.right));
      return labs;
    } catch (RuntimeException e) {
      labs.close();
      throw e;
    }
  }

  private LabContainer lab(boolean isLeft, List<String> more) {
    List<String> options = new ArrayList<>(wire.options(subnet, isLeft));
    options.addAll(more);
    options.addAll(List.of("--guest-address", isLeft ? LEFT : RIGHT));
    options.addAll(List.of("--mac", isLeft ? LEFT_MAC : RIGHT_MAC));
    LabContainer lab = LabContainer.iperfServer(options.toArray(String[]::new)).withMetrics();
    // Kernels do not answer pings of everybody unless told.
    lab.withCreateContainerCmdModifier(
        command ->
            command
                .getHostConfig()
                .withCapAdd(Capability.NET_ADMIN)
                .withSysctls(Map.of("net.ipv4.icmp_echo_ignore_broadcasts", "0")));
    return subnet.place(lab, isLeft ? LEFT_HOST : RIGHT_HOST);
  }

  private static boolean isUp(LabContainer lab) {
    return lab.metrics().get("virtiolab_wire_up") == 1;
  }

  /** One number of {@code /sys/class/net/tap0}. */
  long mtuOf(LabContainer lab) {
    return Long.parseLong(Docker.run(lab, "cat", "/sys/class/net/tap0/mtu").strip());
  }

  @Override
  public void close() {
    for (GenericContainer<?> each :
        new GenericContainer<?>[] {leftTools, rightTools, left, right}) {
      if (each != null) {
        each.stop();
      }
    }
    subnet.close();
  }
}
