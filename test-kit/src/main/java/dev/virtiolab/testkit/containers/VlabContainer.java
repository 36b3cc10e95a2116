package dev.virtiolab.testkit.containers;

import com.github.dockerjava.api.model.Capability;
import com.github.dockerjava.api.model.Device;
import org.testcontainers.containers.ContainerLaunchException;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.startupcheck.IsRunningStartupCheckStrategy;
import org.testcontainers.utility.DockerImageName;

/**
 * A container of the lab's image, which gets NET_ADMIN and /dev/net/tun and nothing else, and says
 * why it does not get ready.
 */
abstract class VlabContainer<S extends VlabContainer<S>> extends GenericContainer<S> {
  final LastWords lastWords = new LastWords();

  private boolean netAdmin = true;
  private boolean starting;

  VlabContainer() {
    super(DockerImageName.parse(Engine.image()));
    withStartupCheckStrategy(new EndCheck(new IsRunningStartupCheckStrategy(), lastWords));
    withCreateContainerCmdModifier(
        command -> {
          command.getHostConfig().withDevices(Device.parse("/dev/net/tun"));
          if (netAdmin) {
            command.getHostConfig().withCapAdd(Capability.NET_ADMIN);
          }
        });
  }

  /** Without the right to administer its network: for who needs no TAP in it. */
  public S withoutNetAdmin() {
    netAdmin = false;
    return self();
  }

  /**
   * Starts it, and waits until it is ready.
   *
   * @throws dev.virtiolab.lab.LabException if there is no engine that will do, or no image
   * @throws ContainerLaunchException if it does not get ready, with the last lines of its log
   */
  @Override
  public void start() {
    if (getContainerId() != null) {
      return;
    }
    Engine.require();
    withLabels(Owned.labels());
    starting = true;
    try {
      super.start();
    } catch (ContainerLaunchException e) {
      stop();
      throw new ContainerLaunchException(
          "%s %s does not get ready: %s"
              .formatted(getDockerImageName(), String.join(" ", getCommandParts()), lastWords),
          e);
    } finally {
      starting = false;
    }
  }

  /**
   * Stops and removes it. Testcontainers itself does so where it gives a start up, which it does
   * before it asks for readiness where a port of a container that has ended is not published.
   */
  @Override
  public void stop() {
    if (starting && getContainerId() != null && !lastWords.isKept()) {
      lastWords.keep(getDockerClient(), getContainerId());
    }
    super.stop();
  }

  /** Where a port of it is reached from here, as HOST:PORT. */
  String reach(int port) {
    return Networks.isNear(getContainerInfo())
        ? Networks.addressOf(getContainerInfo()) + ":" + port
        : getHost() + ":" + getMappedPort(port);
  }
}
