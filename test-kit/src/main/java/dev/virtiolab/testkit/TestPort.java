package dev.virtiolab.testkit;

import dev.virtiolab.net.NetBackend;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * The test's own plug in the lab's switch: raw frames, for what no stack would send. What the
 * switch floods and what is for stations that the test made up arrives here, the first 1024 frames
 * of it; further ones are lost until those are taken.
 */
public final class TestPort {
  private final NetBackend plug;

  /** Given when there may be a frame, or room. */
  private final Semaphore ready = new Semaphore(0);

  TestPort(NetBackend plug) {
    this.plug = plug;
    plug.onReady(ready::release);
  }

  /**
   * Sends a frame, and waits for room if there is none.
   *
   * @throws IllegalArgumentException if it is longer than the wire takes
   * @throws AssertionError if there is no room for a second
   */
  public synchronized void send(Frame frame) {
    byte[] bytes = frame.bytes();
    if (bytes.length == 0 || bytes.length > plug.maxFrameLength()) {
      throw new IllegalArgumentException(
          "frames have 1 to %d bytes here, not %d".formatted(plug.maxFrameLength(), bytes.length));
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(1);
    while (!plug.claim(bytes.length)) {
      if (!await(deadline)) {
        throw new AssertionError("the switch takes no frame of the test's");
      }
    }
    MemorySegment.copy(
        MemorySegment.ofArray(bytes), 0, plug.claimed(), plug.claimedOffset(), bytes.length);
    plug.commit();
    plug.flush();
  }

  /** The next frame, if there is one. */
  public synchronized Optional<Frame> poll() {
    int length = plug.peek();
    if (length == 0) {
      return Optional.empty();
    }
    Frame frame = Frame.copy(plug.peeked(), plug.peekedOffset(), length, length);
    plug.release();
    return Optional.of(frame);
  }

  /** Throws away what has come so far. */
  public synchronized void clear() {
    while (poll().isPresent()) {
      // The next one.
    }
  }

  /**
   * Waits for a frame, and throws away what comes before it.
   *
   * @throws AssertionError if none came before the deadline
   */
  public synchronized Frame await(Predicate<Frame> wanted, Duration within) {
    long deadline = System.nanoTime() + within.toNanos();
    int others = 0;
    do {
      for (Optional<Frame> next = poll(); next.isPresent(); next = poll()) {
        if (wanted.test(next.get())) {
          return next.get();
        }
        others++;
      }
    } while (await(deadline));
    throw new AssertionError(
        "no such frame came to the test's port in %s; %d others did".formatted(within, others));
  }

  /** Waits for a word of the wire; false if the deadline came first. */
  private boolean await(long deadlineNanos) {
    try {
      boolean word =
          ready.tryAcquire(Math.max(0, deadlineNanos - System.nanoTime()), TimeUnit.NANOSECONDS);
      ready.drainPermits();
      return word;
    } catch (InterruptedException e) {
      throw Interrupts.asAssertion("a frame", e);
    }
  }

  synchronized void close() {
    plug.close();
  }
}
