package dev.virtiolab.testkit.containers;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.ContainerLaunchException;
import org.testcontainers.containers.wait.strategy.AbstractWaitStrategy;

/**
 * Waits for a line of a container's log, and no longer than the container runs: Testcontainers' own
 * strategy waits for the line of one that has ended.
 */
final class ReadyLine extends AbstractWaitStrategy {
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final String part;
  private final LastWords lastWords;

  /**
   * @param part of the line that is waited for
   */
  ReadyLine(String part, Duration within, LastWords lastWords) {
    this.part = part;
    this.lastWords = lastWords;
    withStartupTimeout(within);
  }

  @Override
  protected void waitUntilReady() {
    long start = System.nanoTime();
    while (!waitStrategyTarget.getLogs().contains(part)) {
      boolean runs =
          Boolean.TRUE.equals(waitStrategyTarget.getCurrentContainerInfo().getState().getRunning());
      // Looked at once more after its end: the line may have come in between.
      if (!runs && !waitStrategyTarget.getLogs().contains(part)) {
        throw gaveUp("it ended before it said \"" + part + "\"");
      }
      if (System.nanoTime() - start > startupTimeout.toNanos()) {
        throw gaveUp(
            "it did not say \"%s\" within %d s".formatted(part, startupTimeout.toSeconds()));
      }
      if (Thread.currentThread().isInterrupted()) {
        throw gaveUp("interrupted while waiting for it");
      }
      LockSupport.parkNanos(this, LOOK_NANOS);
    }
  }

  private ContainerLaunchException gaveUp(String why) {
    lastWords.keep(DockerClientFactory.instance().client(), waitStrategyTarget.getContainerId());
    return new ContainerLaunchException(why);
  }
}
