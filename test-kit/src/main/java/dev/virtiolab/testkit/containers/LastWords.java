package dev.virtiolab.testkit.containers;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.command.InspectContainerResponse.ContainerState;
import java.util.List;
import org.testcontainers.utility.LogUtils;

/**
 * What a container said last, and how it ended: kept when it fails to get ready, since
 * Testcontainers removes it before it says so.
 */
final class LastWords {
  /** Lines of the log that a message shows. */
  private static final int LINES = 15;

  private static final String NOTHING = "it was never made";

  private volatile String text = NOTHING;

  /** Whether somebody has asked. */
  boolean isKept() {
    return !text.equals(NOTHING);
  }

  /** Asks the engine, while the container is there. */
  void keep(DockerClient client, String container) {
    try {
      ContainerState state = client.inspectContainerCmd(container).exec().getState();
      String end =
          Boolean.TRUE.equals(state.getRunning())
              ? "it still runs"
              : "it ended with exit code " + state.getExitCodeLong();
      List<String> lines = LogUtils.getOutput(client, container).lines().toList();
      int from = Math.max(0, lines.size() - LINES);
      text =
          lines.isEmpty()
              ? end + ", and said nothing"
              : end
                  + ", and said last:\n  "
                  + String.join("\n  ", lines.subList(from, lines.size()));
    } catch (RuntimeException e) {
      text = "the engine does not tell of it any more: " + e.getMessage();
    }
  }

  @Override
  public String toString() {
    return text;
  }
}
