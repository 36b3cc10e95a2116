package dev.virtiolab.virtio.net;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.Uninterruptibly;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A thread that drives one {@link VirtioNet}: it polls while there is traffic, spins a while after
 * the last frame, then sleeps in poll(2) until a kick, a frame or a word of the back end.
 *
 * <p>It drives every pair of the device's queues, in turn: a device is one event loop.
 *
 * <p><b>Why no wake-up is lost.</b> Two flags, both volatile, so that all accesses to them have one
 * order. A waker stores {@code woken}, then loads {@code sleeping}. The loop stores {@code
 * sleeping}, then looks whether there is work, then loads {@code woken}, then waits. If the waker
 * loads {@code sleeping} before the loop stores it, the loop's later load finds {@code woken} and
 * does not wait. If it loads it after, it signals the eventfd, which stays readable until the loop
 * drains it: a wait that has not begun yet returns at once. A driver that suppresses its kick does
 * so because it saw our used ring ask for none; {@link VirtioNet#rest()} withdraws that before it
 * looks at the available ring, with the fence that SplitQueue.enableKicks describes: so either the
 * driver kicks, or rest() finds its buffers.
 */
public final class DeviceLoop implements AutoCloseable {
  /** Frames in one batch: long enough to share its cost, short enough for a register to wait. */
  private static final int BATCH = 64;

  private static final long DEFAULT_SPIN_NANOS = TimeUnit.MICROSECONDS.toNanos(50);

  private final VirtioNet device;
  private final long spinNanos;
  private final EventFd wakeFd = EventFd.create();
  private final Poll poll;

  /** In the poll. */
  private final int kick;

  /** Likewise, of each wire. */
  private final int[] frames;

  private final Thread thread;

  private volatile boolean woken;
  private volatile boolean sleeping;
  private volatile boolean stopping;
  private volatile Throwable failure;
  private volatile long sleeps;

  private DeviceLoop(VirtioNet device, String name, long spinNanos) {
    this.device = device;
    this.spinNanos = spinNanos;
    List<NetBackend> wires = device.wires();
    poll = new Poll(2 + wires.size());
    poll.add(wakeFd.fd());
    kick = poll.add(device.kickFd());
    frames = wires.stream().mapToInt(wire -> poll.add(wire.readableFd())).toArray();
    thread = Thread.ofPlatform().name(name).daemon().unstarted(this::run);
  }

  /** Drives {@code device}, which is plugged in, on a thread of its own from now on. */
  public static DeviceLoop start(VirtioNet device, String name) {
    return start(device, name, DEFAULT_SPIN_NANOS);
  }

  /**
   * Likewise.
   *
   * @param spinNanos how long to look for work before sleeping, in nanoseconds; 0 to sleep at once
   */
  public static DeviceLoop start(VirtioNet device, String name, long spinNanos) {
    DeviceLoop loop = new DeviceLoop(device, name, spinNanos);
    device.onWake(loop::wake);
    loop.thread.start();
    return loop;
  }

  /** How often the thread has gone to sleep; any thread. */
  public long sleeps() {
    return sleeps;
  }

  /** Whether the thread sleeps now, or is about to; any thread. */
  public boolean sleeping() {
    return sleeping;
  }

  /** The thread's, for whoever measures it. */
  public long threadId() {
    return thread.threadId();
  }

  /** Whether the thread drives the device: false once it was closed, or died of a bug. */
  public boolean running() {
    return thread.isAlive();
  }

  /**
   * Stops the thread and waits for it; a second call does nothing. The device can be polled by
   * others, or driven by another loop, afterwards.
   *
   * @throws IllegalStateException if the loop had died before of a bug
   */
  @Override
  public void close() {
    if (stopping) {
      return;
    }
    stopping = true;
    wake();
    Uninterruptibly.join(thread);
    device.onWake(() -> {});
    // A waker may still hold this loop; the descriptor is closed once none can be in wake().
    synchronized (wakeFd) {
      sleeping = false;
      wakeFd.close();
    }
    poll.close();
    if (failure != null) {
      throw new IllegalStateException("the device's loop died", failure);
    }
  }

  /** There may be work. Any thread; a system call only if the loop sleeps. */
  private void wake() {
    woken = true;
    if (sleeping) {
      signal();
    }
  }

  private void signal() {
    synchronized (wakeFd) {
      // One signal per sleep is enough; and none after close().
      if (sleeping) {
        sleeping = false;
        wakeFd.signal();
      }
    }
  }

  private void run() {
    try {
      long idleSince = System.nanoTime();
      while (!stopping) {
        woken = false;
        if (device.pollWithoutKicks(BATCH) > 0) {
          idleSince = System.nanoTime();
        } else if (!woken && System.nanoTime() - idleSince >= spinNanos) {
          sleep();
          idleSince = System.nanoTime();
        } else {
          Thread.onSpinWait();
        }
      }
    } catch (Throwable e) {
      failure = e;
      System.getLogger(DeviceLoop.class.getName())
          .log(System.Logger.Level.ERROR, "the device's loop died", e);
    }
  }

  private void sleep() {
    sleeping = true;
    boolean idle = device.rest();
    // stopping as well: the loop may have cleared the woken that close() stored with it.
    if (idle && !woken && !stopping) {
      sleeps++;
      for (int wire = 0; wire < frames.length; wire++) {
        poll.watch(frames[wire], device.awaitsFrame(wire));
      }
      poll.await(device.restNanos());
      if (poll.readable(kick)) {
        device.takeKicks();
      }
      wakeFd.drain();
    }
    sleeping = false;
  }
}
