package dev.virtiolab.testkit.containers;

import com.github.dockerjava.api.command.InspectContainerResponse;
import com.github.dockerjava.api.model.ContainerNetwork;
import com.github.dockerjava.api.model.Network;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;

/** Addresses of container networks. */
final class Networks {

  /** Drawing an address that is free takes a few draws at most, unless hardly any is. */
  private static final int DRAWS = 1000;

  private Networks() {}

  /**
   * A range of addresses.
   *
   * @param network its lowest address
   * @param prefix bits that all have in common
   */
  record Subnet(Ipv4Address network, int prefix) {
    /** Reads {@code 172.18.0.0/16}; the address may be any of the range's. */
    static Subnet parse(String text) {
      String[] parts = text.split("/", 2);
      int bits =
          parts.length == 2 && parts[1].matches("[0-9]{1,2}") ? Integer.parseInt(parts[1]) : -1;
      if (bits < 1 || bits > 30) {
        throw new IllegalArgumentException("no subnet of IPv4 with room for two: " + text);
      }
      return new Subnet(
          new Ipv4Address(Ipv4Address.parse(parts[0]).bits() & -1 << 32 - bits), bits);
    }

    int size() {
      return 1 << 32 - prefix;
    }

    /**
     * @param number 0 is the network's, {@code size() - 1} the broadcast's
     */
    Ipv4Address address(int number) {
      return new Ipv4Address(network.bits() + number);
    }
  }

  /**
   * The address of a container, in the first network that gives it one.
   *
   * @throws LabException if none does
   */
  static String addressOf(InspectContainerResponse container) {
    return first(container).getIpAddress();
  }

  /**
   * Whether a container is reached at its own address: engine and test are on one Linux, whose end
   * of the network's bridge has the gateway's address. Elsewhere only what the engine publishes is
   * reached.
   */
  static boolean isNear(InspectContainerResponse container) {
    String gateway = first(container).getGateway();
    try {
      return NetworkInterface.networkInterfaces()
          .flatMap(NetworkInterface::inetAddresses)
          .anyMatch(address -> address.getHostAddress().equals(gateway));
    } catch (SocketException e) {
      return false;
    }
  }

  private static ContainerNetwork first(InspectContainerResponse container) {
    return container.getNetworkSettings().getNetworks().values().stream()
        .filter(each -> each.getIpAddress() != null && !each.getIpAddress().isBlank())
        .findFirst()
        .orElseThrow(
            () ->
                LabException.failure(
                    "container " + container.getName() + " has no address in a network"));
  }

  /**
   * An address for a guest: of the upper quarter of the subnet, since engines give theirs out from
   * below, and nobody's that the engine knows of.
   *
   * @throws LabException if the network has none of IPv4, or none is free
   */
  static Ipv4Address pick(Network network) {
    Subnet subnet =
        network.getIpam().getConfig().stream()
            .map(Network.Ipam.Config::getSubnet)
            .filter(text -> text != null && text.indexOf(':') < 0)
            .map(Subnet::parse)
            .findFirst()
            .orElseThrow(
                () -> LabException.usage("network " + network.getName() + " has no IPv4 subnet"));
    Set<String> taken =
        network.getContainers().values().stream()
            .map(container -> container.getIpv4Address().split("/", 2)[0])
            .collect(Collectors.toSet());
    network.getIpam().getConfig().stream()
        .map(Network.Ipam.Config::getGateway)
        .filter(gateway -> gateway != null)
        .forEach(taken::add);
    int quarter = Math.max(1, subnet.size() / 4);
    for (int draw = 0; draw < DRAWS; draw++) {
      int number = subnet.size() - 2 - ThreadLocalRandom.current().nextInt(quarter);
      Ipv4Address address = subnet.address(number);
      if (number > 0 && !taken.contains(address.toString())) {
        return address;
      }
    }
    throw LabException.usage("network " + network.getName() + " has no address left for a guest");
  }
}
