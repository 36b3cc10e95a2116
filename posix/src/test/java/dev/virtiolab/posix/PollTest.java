package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Function;
import dev.virtiolab.posix.fixture.Allocation;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class PollTest {
  private static final long MILLISECOND = 1_000_000;
  private static final long MINUTE = 60_000 * MILLISECOND;

  @Test
  void saysWhichDescriptorIsReadable() {
    try (EventFd one = EventFd.create();
        EventFd two = EventFd.create();
        Poll poll = new Poll(3)) {
      int none = poll.add(-1);
      int first = poll.add(one.fd());
      int second = poll.add(two.fd());
      two.signal();
      assertEquals(1, poll.await(Poll.FOREVER));
      assertFalse(poll.readable(none));
      assertFalse(poll.readable(first));
      assertTrue(poll.readable(second));
    }
  }

  @Test
  void waitsAsLongAsTold() {
    try (EventFd event = EventFd.create();
        Poll poll = new Poll(1)) {
      poll.add(event.fd());
      long start = System.nanoTime();
      assertEquals(0, poll.await(20 * MILLISECOND));
      assertTrue(System.nanoTime() - start >= 20 * MILLISECOND);
    }
  }

  @Test
  void signalFromAnotherThreadEndsTheWait() {
    try (EventFd event = EventFd.create();
        Poll poll = new Poll(1)) {
      poll.add(event.fd());
      Thread.ofPlatform().start(event::signal);
      assertEquals(1, poll.await(MINUTE));
    }
  }

  @Test
  void interruptedCallWaitsForTheRest() throws InterruptedException {
    Function self = Function.getFunction("c", "pthread_self");
    Function kill = Function.getFunction("c", "pthread_kill");
    AtomicLong waiter = new AtomicLong();
    AtomicLong waited = new AtomicLong();
    CountDownLatch started = new CountDownLatch(1);
    try (EventFd event = EventFd.create();
        Poll poll = new Poll(1)) {
      poll.add(event.fd());
      Thread thread =
          Thread.ofPlatform()
              .start(
                  () -> {
                    waiter.set(self.invokeLong(new Object[0]));
                    started.countDown();
                    long start = System.nanoTime();
                    assertEquals(0, poll.await(100 * MILLISECOND));
                    waited.set(System.nanoTime() - start);
                  });
      started.await();
      // SIGCONT has a handler in no JVM, so it would interrupt nothing; the JVM's own signal for
      // thread suspension (SIGUSR2, 12) does, and does no more on a thread nobody suspends.
      while (thread.isAlive()) {
        kill.invokeInt(new Object[] {waiter.get(), 12});
        thread.join(5);
      }
      assertTrue(waited.get() >= 100 * MILLISECOND, waited + " ns");
    }
  }

  @Test
  void failedDescriptorIsReportedOnceAndThenLeftOut() {
    try (EventFd event = EventFd.create();
        Poll poll = new Poll(2)) {
      int closed = poll.add(Integer.MAX_VALUE);
      int open = poll.add(event.fd());
      event.signal();
      assertEquals(2, poll.await(0));
      assertTrue(poll.failed(closed));
      assertFalse(poll.failed(open));
      assertEquals(1, poll.await(0));
      assertFalse(poll.failed(closed));
      assertTrue(poll.readable(open));
    }
  }

  @Test
  void descriptorThatIsLeftOutIsNotWaitedForUntilItIsAgain() {
    try (EventFd event = EventFd.create();
        Poll poll = new Poll(2)) {
      int open = poll.add(event.fd());
      int closed = poll.add(Integer.MAX_VALUE);
      event.signal();
      poll.watch(open, false);
      poll.watch(closed, false);
      assertEquals(0, poll.await(0));
      assertFalse(poll.readable(open));
      poll.watch(open, true);
      poll.watch(closed, true);
      assertEquals(2, poll.await(0));
      assertTrue(poll.readable(open));
      assertTrue(poll.failed(closed));
      assertEquals(1, poll.await(0));
      poll.watch(closed, true);
      assertEquals(1, poll.await(0), "what has failed stays out");
      assertThrows(IndexOutOfBoundsException.class, () -> poll.watch(2, true));
    }
  }

  @Test
  void roomIsBounded() {
    try (Poll poll = new Poll(1)) {
      poll.add(-1);
      assertThrows(IllegalStateException.class, () -> poll.add(-1));
      assertThrows(IndexOutOfBoundsException.class, () -> poll.readable(1));
      assertThrows(IllegalArgumentException.class, () -> new Poll(0));
    }
  }

  @Test
  void nothingIsAllocatedPerCall() {
    try (EventFd event = EventFd.create();
        Poll poll = new Poll(1)) {
      poll.add(event.fd());
      long bytes = Allocation.bytesOf(4, () -> turn(event, poll, 10_000));
      assertTrue(bytes < 10_000, bytes + " bytes for 10000 turns");
    }
  }

  private static void turn(EventFd event, Poll poll, int times) {
    for (int i = 0; i < times; i++) {
      event.signal();
      poll.await(MINUTE);
      event.drain();
      // The empty turn goes through errno.
      event.drain();
      poll.await(0);
    }
  }
}
