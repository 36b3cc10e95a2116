package dev.virtiolab.integration.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.model.Capability;
import com.github.dockerjava.api.model.Network.Ipam;
import dev.virtiolab.integration.kit.DockerEngine;
import dev.virtiolab.testkit.containers.Owned;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.utility.DockerImageName;

/** What these tests make in the engine, and how they ask it. */
final class Docker {
  /** For what takes a moment on a machine with nothing else to do. */
  static final Duration SOON = Duration.ofSeconds(60);

  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
  private static final int DRAWS = 20;

  private Docker() {}

  /** A host with the usual tools, not started yet. */
  static GenericContainer<?> peer() {
    return Owned.container(new GenericContainer<>(DockerImageName.parse(DockerEngine.peerImage())));
  }

  /** The usual tools in the network namespace of a container that runs, with a say in it. */
  static GenericContainer<?> peerIn(GenericContainer<?> neighbour) {
    return peer()
        .withNetworkMode("container:" + neighbour.getContainerId())
        .withCreateContainerCmdModifier(
            command -> command.getHostConfig().withCapAdd(Capability.NET_ADMIN));
  }

  /** The address of a container that is in one network. */
  static String addressOf(GenericContainer<?> container) {
    return container.getCurrentContainerInfo().getNetworkSettings().getNetworks().values().stream()
        .findFirst()
        .orElseThrow()
        .getIpAddress();
  }

  // ---- networks whose addresses are chosen

  /**
   * A network of 254 addresses.
   *
   * @param prefix the first three numbers of them, and a dot
   */
  record Subnet(Network network, String prefix) implements AutoCloseable {
    /**
     * Draws one from what is set aside for tests of networks (RFC 2544, C.2.2).
     *
     * @param mtu of every interface in it, in bytes
     */
    static Subnet make(int mtu) {
      RuntimeException failure = null;
      for (int draw = 0; draw < DRAWS; draw++) {
        String prefix = "198.19." + ThreadLocalRandom.current().nextInt(256) + ".";
        Network network =
            Network.builder()
                .createNetworkCmdModifier(
                    command ->
                        command
                            .withLabels(Owned.labels())
                            .withOptions(
                                Map.of("com.docker.network.driver.mtu", Integer.toString(mtu)))
                            .withIpam(
                                new Ipam()
                                    .withConfig(new Ipam.Config().withSubnet(prefix + "0/24"))))
                .build();
        try {
          network.getId(); // it is made now
          return new Subnet(network, prefix);
        } catch (RuntimeException e) {
          failure = e; // somebody has these addresses
        }
      }
      throw failure;
    }

    String address(int number) {
      return prefix + number;
    }

    /** Has {@code container}, which is not started yet, be at {@link #address}. */
    <C extends GenericContainer<?>> C place(C container, int number) {
      container.withNetwork(network);
      container.withCreateContainerCmdModifier(command -> command.withIpv4Address(address(number)));
      return container;
    }

    @Override
    public void close() {
      network.close();
    }
  }

  // ---- questions

  /** Runs a command in a container, to its end, whatever that is. */
  static ExecResult attempt(GenericContainer<?> container, String... command) {
    try {
      return container.execInContainer(command);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted: " + String.join(" ", command), e);
    }
  }

  /** What a command says that ends well. */
  static String run(GenericContainer<?> container, String... command) {
    ExecResult result = attempt(container, command);
    assertEquals(
        0,
        result.getExitCode(),
        () -> String.join(" ", command) + "\n" + result.getStdout() + result.getStderr());
    return result.getStdout();
  }

  /** Likewise of lines for a shell. */
  static String shell(GenericContainer<?> container, String lines) {
    return run(container, "sh", "-ec", lines);
  }

  /** Begins a command, and does not wait for its end. */
  static CompletableFuture<ExecResult> begin(GenericContainer<?> container, String... command) {
    CompletableFuture<ExecResult> end = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                end.complete(attempt(container, command));
              } catch (RuntimeException | AssertionError e) {
                end.completeExceptionally(e);
              }
            });
    return end;
  }

  /** What a command said that was begun, and ends well before the deadline. */
  static String ending(CompletableFuture<ExecResult> command, Duration within) throws Exception {
    ExecResult result = command.get(within.toNanos(), TimeUnit.NANOSECONDS);
    assertEquals(0, result.getExitCode(), () -> result.getStdout() + result.getStderr());
    return result.getStdout();
  }

  /** Bytes of a file in a container; 0 if there is none. */
  static long sizeOf(GenericContainer<?> container, String file) {
    ExecResult result = attempt(container, "stat", "-c", "%s", file);
    return result.getExitCode() == 0 ? Long.parseLong(result.getStdout().strip()) : 0;
  }

  /** Waits until something listens at a TCP port of the container's network namespace. */
  static void awaitListener(GenericContainer<?> container, int port) {
    await(
        "something listens at port " + port,
        () -> !run(container, "ss", "-Hltn", "sport = :" + port).isBlank());
  }

  static void await(String what, BooleanSupplier condition) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      assertTrue(
          System.nanoTime() - start < SOON.toNanos(), () -> "not within " + SOON + ": " + what);
      assertTrue(!Thread.currentThread().isInterrupted(), () -> "interrupted: " + what);
      LockSupport.parkNanos(LOOK_NANOS);
    }
  }
}
