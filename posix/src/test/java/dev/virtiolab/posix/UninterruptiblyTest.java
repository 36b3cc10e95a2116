package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** An interrupt is neither an end of the wait nor lost. */
class UninterruptiblyTest {

  @Test
  void anInterruptedJoinWaitsForTheEndAndIsStillInterrupted() throws Exception {
    CountDownLatch mayEnd = new CountDownLatch(1);
    Thread waited =
        new Thread(
            () -> {
              try {
                mayEnd.await(60, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
            });
    boolean[] seen = new boolean[2];
    Thread waiter =
        new Thread(
            () -> {
              Thread.currentThread().interrupt();
              Uninterruptibly.join(waited);
              seen[0] = !waited.isAlive();
              seen[1] = Thread.interrupted();
            });
    waited.start();
    waiter.start();
    assertFalse(waiter.join(Duration.ofMillis(50)), "it did not wait");
    mayEnd.countDown();
    assertTrue(waiter.join(Duration.ofSeconds(60)), "it waits for ever");
    assertTrue(seen[0], "it returned before the end");
    assertTrue(seen[1], "the interrupt is lost");
  }
}
