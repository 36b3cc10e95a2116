package dev.virtiolab.testkit.containers;

import com.github.dockerjava.api.DockerClient;
import org.testcontainers.containers.startupcheck.StartupCheckStrategy;

/** A check of a start that keeps the container's last words when it fails. */
final class EndCheck extends StartupCheckStrategy {
  private final StartupCheckStrategy inner;
  private final LastWords lastWords;

  EndCheck(StartupCheckStrategy inner, LastWords lastWords) {
    this.inner = inner;
    this.lastWords = lastWords;
  }

  @Override
  public boolean waitUntilStartupSuccessful(DockerClient client, String container) {
    boolean successful = false;
    try {
      successful = inner.waitUntilStartupSuccessful(client, container);
      return successful;
    } finally {
      if (!successful) {
        lastWords.keep(client, container);
      }
    }
  }

  @Override
  public StartupStatus checkStartupState(DockerClient client, String container) {
    return inner.checkStartupState(client, container);
  }
}
