package dev.virtiolab.testkit.containers;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.ForwardingBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Wiring;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;

/**
 * A cable from a guest in the test's JVM into a container network: a container whose switch joins
 * the guest's stream and the network.
 *
 * <pre>{@code
 * @RegisterExtension
 * final LabExtension lab =
 *     LabExtension.of(GuestSpec.named("guest").wiredTo(NetworkCable.into(network)));
 * }</pre>
 *
 * <p>One cable is of one guest at a time. A lab starts it, and stops it with the guest; one that
 * was started before is left running.
 */
@SuppressWarnings("exports") // who names a type of Testcontainers has it
public final class NetworkCable extends VlabContainer<NetworkCable> implements Wiring {
  private static final int PORT = 7000;
  private static final Duration START = Duration.ofMinutes(2);
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** Into a whole network; null where it is beside one container. */
  private final Network network;

  private final GenericContainer<?> neighbour;
  private final String neighbourAddress;

  private NetworkCable(Network network, GenericContainer<?> neighbour, String address) {
    this.network = network;
    this.neighbour = neighbour;
    neighbourAddress = address;
    withStartupTimeout(START);
    waitingFor(new ReadyLine("cable: ready,", START, lastWords));
  }

  /**
   * Makes the guest one more station of {@code network}, with an address of its own, which is drawn
   * from the top of the subnet unless the guest asks for one.
   */
  public static NetworkCable into(Network network) {
    NetworkCable cable = new NetworkCable(network, null, null);
    cable.withNetwork(network);
    cable.withExposedPorts(PORT);
    cable.withCommand("cable", "bridge", "--port", Integer.toString(PORT));
    return cable;
  }

  /**
   * Puts the guest beside one container, alone with it: a TAP in its network namespace leads to the
   * guest, who has the next address unless it asks for another.
   *
   * @param neighbour started before the guest; the engine is on this machine
   * @param address of the container's end, such as {@code 10.9.0.1/24}
   */
  public static NetworkCable beside(GenericContainer<?> neighbour, String address) {
    Networks.Subnet.parse(address);
    NetworkCable cable = new NetworkCable(null, neighbour, address);
    cable.withCommand("cable", "beside", address, "--port", Integer.toString(PORT));
    return cable;
  }

  @Override
  protected void configure() {
    super.configure();
    if (neighbour != null) {
      if (neighbour.getContainerId() == null) {
        throw LabException.usage("a cable beside a container that is not started");
      }
      withNetworkMode("container:" + neighbour.getContainerId());
    }
  }

  /** Starts the cable, and gives the guest an address. */
  @Override
  public GuestSpec complete(GuestSpec guest) {
    return guest.address().isPresent() ? guest : guest.address(freeAddress());
  }

  private Ipv4Address freeAddress() {
    if (neighbour != null) {
      String own = neighbourAddress.split("/", 2)[0];
      Networks.Subnet subnet = Networks.Subnet.parse(neighbourAddress);
      int number = Ipv4Address.parse(own).bits() - subnet.network().bits();
      return subnet.address(number + 2 < subnet.size() ? number + 1 : number - 1);
    }
    Engine.require();
    return Networks.pick(
        DockerClientFactory.instance()
            .client()
            .inspectNetworkCmd()
            .withNetworkId(network.getId())
            .exec());
  }

  @Override
  public NetBackend open(GuestSpec guest) {
    boolean ours = getContainerId() == null;
    start();
    try {
      String where = neighbour == null ? reach(PORT) : besideReach();
      NetBackend stream = BackendSpec.parse("stream:" + where).open();
      awaitLink(stream, guest);
      return new Plug(stream, ours);
    } catch (RuntimeException e) {
      if (ours) {
        stop();
      }
      throw e instanceof BackendOpenException
          ? LabException.failure("guest " + guest.name() + ": " + e.getMessage(), e)
          : e;
    }
  }

  private String besideReach() {
    if (!Networks.isNear(neighbour.getContainerInfo())) {
      throw LabException.usage("a cable beside a container needs an engine on this machine");
    }
    return Networks.addressOf(neighbour.getContainerInfo()) + ":" + PORT;
  }

  private static void awaitLink(NetBackend stream, GuestSpec guest) {
    long start = System.nanoTime();
    while (!stream.linkUp()) {
      if (System.nanoTime() - start > PATIENCE_NANOS || Thread.currentThread().isInterrupted()) {
        stream.close();
        throw LabException.failure(
            "guest %s: the cable does not answer at %s".formatted(guest.name(), stream));
      }
      LockSupport.parkNanos(stream, LOOK_NANOS);
    }
  }

  /** The guest's end: the container goes with it, if it came for it. */
  private final class Plug extends ForwardingBackend {
    private final boolean ours;

    Plug(NetBackend stream, boolean ours) {
      super(stream);
      this.ours = ours;
    }

    @Override
    public void close() {
      try {
        inner.close();
      } finally {
        if (ours) {
          stop();
        }
      }
    }
  }
}
