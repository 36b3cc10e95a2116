package dev.virtiolab.testkit.containers;

import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;

/**
 * Whose a container or network is. Everything that the kit makes carries the label {@value #LABEL},
 * whose value names this process; a keeper, a process of its own that waits for the end of a pipe
 * that only this process holds, removes what carries it when this process is gone, be it by {@code
 * kill -9}. A test's own networks and containers are removed with it if they come from here.
 *
 * <p>Testcontainers has Ryuk for this, which is a container, and is pulled from a registry; where
 * it runs, the two do not disturb each other. The keeper needs {@code sh}, {@code setsid} and
 * {@code docker} on this machine. There is one for each process, since there is one label.
 */
@SuppressWarnings("exports") // who names a type of Testcontainers has it
public final class Owned {
  /** The label. */
  public static final String LABEL = "virtio-lab.owner";

  private static final System.Logger LOG = System.getLogger(Owned.class.getName());

  /** Words of /proc/self/stat behind the command's last parenthesis: starttime is field 22. */
  private static final int START_TIME = 22 - 3;

  private static final String KEEPER =
      """
      cat >/dev/null
      for again in 1 2 3; do
        docker ps -aq --filter "label=$1" | xargs -r docker rm -fv >/dev/null 2>&1
        docker network ls -q --filter "label=$1" | xargs -r docker network rm >/dev/null 2>&1
      done
      """;

  private Owned() {}

  /** Made when something is first owned; the process lives as long as this one. */
  private static final class Keeper {
    static final String OWNER = owner();

    // Held, so that the pipe to it stays open.
    static final Process PROCESS = start();

    private static Process start() {
      ProcessBuilder builder =
          new ProcessBuilder(
              "setsid", "sh", "-c", KEEPER, "virtio-lab-keeper", LABEL + "=" + OWNER);
      builder
          .environment()
          .put(
              "DOCKER_HOST",
              DockerClientFactory.instance().getTransportConfig().getDockerHost().toString());
      builder.redirectOutput(ProcessBuilder.Redirect.DISCARD);
      builder.redirectError(ProcessBuilder.Redirect.DISCARD);
      try {
        new ProcessBuilder("docker", "--version")
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
        return builder.start();
      } catch (IOException e) {
        LOG.log(
            System.Logger.Level.WARNING,
            "containers will outlive this process if it is killed: {0}",
            e.getMessage());
        return null;
      }
    }

    private static String owner() {
      try {
        String namespace =
            Files.readSymbolicLink(Path.of("/proc/self/ns/pid")).toString().replaceAll("\\D", "");
        String stat = Files.readString(Path.of("/proc/self/stat"));
        String[] words = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        return namespace + "-" + ProcessHandle.current().pid() + "-" + words[START_TIME];
      } catch (IOException | ArrayIndexOutOfBoundsException e) {
        throw LabException.failure("cannot read /proc/self: " + e.getMessage(), e);
      }
    }
  }

  /** The label and its value, for what is made in another way; the keeper runs from now on. */
  public static Map<String, String> labels() {
    if (Keeper.PROCESS != null && !Keeper.PROCESS.isAlive()) {
      LOG.log(System.Logger.Level.WARNING, "the keeper of the containers is gone");
    }
    return Map.of(LABEL, Keeper.OWNER);
  }

  /** Has {@code container}, which is not started yet, be removed with this process. */
  public static <C extends GenericContainer<?>> C container(C container) {
    container.withLabels(labels());
    return container;
  }

  /** A network that is made when it is first used, and removed with this process, or closed. */
  public static Network network() {
    return Network.builder()
        .createNetworkCmdModifier(command -> command.withLabels(labels()))
        .build();
  }
}
