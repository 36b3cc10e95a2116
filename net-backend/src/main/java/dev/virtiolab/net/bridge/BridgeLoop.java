package dev.virtiolab.net.bridge;

import dev.virtiolab.posix.Sleeper;
import dev.virtiolab.posix.Uninterruptibly;
import java.util.concurrent.TimeUnit;

/**
 * A thread that owns one {@link LearningBridge}: it polls while there is traffic, spins a while
 * after the last frame, then sleeps until a port has a frame or a word.
 */
public final class BridgeLoop implements AutoCloseable {
  /** Frames of one port before the next has its turn: half of a short queue. */
  private static final int BATCH = 32;

  private static final long SPIN_NANOS = TimeUnit.MICROSECONDS.toNanos(50);

  private final LearningBridge bridge;
  private final Sleeper sleeper;
  private final Thread thread;

  private volatile boolean stopping;
  private volatile Throwable failure;

  private BridgeLoop(LearningBridge bridge) {
    this.bridge = bridge;
    sleeper = new Sleeper(bridge.readableFds());
    thread = Thread.ofPlatform().name("bridge").daemon().unstarted(this::run);
  }

  /** Polls {@code bridge} on a thread of its own from now on. */
  public static BridgeLoop start(LearningBridge bridge) {
    BridgeLoop loop = new BridgeLoop(bridge);
    bridge.onReady(loop.sleeper::wake);
    loop.thread.start();
    return loop;
  }

  /** The bridge, for its counters. */
  public LearningBridge bridge() {
    return bridge;
  }

  /** How often the thread has gone to sleep; any thread. */
  public long sleeps() {
    return sleeper.sleeps();
  }

  /** Whether the thread sleeps now, or is about to; any thread. */
  public boolean sleeping() {
    return sleeper.sleeping();
  }

  /** Whether the thread polls: false once it was closed, or died of a bug. */
  public boolean running() {
    return thread.isAlive();
  }

  /**
   * Stops the thread, waits for it, and closes the bridge with its ports; a second call does
   * nothing.
   *
   * @throws IllegalStateException if the loop had died before of a bug
   */
  @Override
  public void close() {
    if (stopping) {
      return;
    }
    stopping = true;
    sleeper.wake();
    Uninterruptibly.join(thread);
    try {
      bridge.close();
    } finally {
      sleeper.close();
    }
    if (failure != null) {
      throw new IllegalStateException("the bridge's loop died", failure);
    }
  }

  private void run() {
    try {
      long idleSince = System.nanoTime();
      while (!stopping) {
        sleeper.awake();
        if (bridge.poll(BATCH) > 0) {
          idleSince = System.nanoTime();
        } else if (!sleeper.woken() && System.nanoTime() - idleSince >= SPIN_NANOS) {
          sleeper.fallAsleep();
          // stopping as well: awake() may have cleared the wake-up that close() gave.
          if (bridge.rest() && !stopping) {
            sleeper.sleep();
          }
          idleSince = System.nanoTime();
        } else {
          Thread.onSpinWait();
        }
      }
    } catch (Throwable e) {
      failure = e;
      System.getLogger(BridgeLoop.class.getName())
          .log(System.Logger.Level.ERROR, "the bridge's loop died", e);
    }
  }
}
