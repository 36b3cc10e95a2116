package dev.virtiolab.posix;

/**
 * How a loop that polls goes to sleep, and is woken by any thread or descriptor, without missing
 * the word that came while it was falling asleep.
 *
 * <pre>
 *   while (running) {
 *     sleeper.awake();
 *     if (no work was done) {
 *       sleeper.fallAsleep();
 *       if (there is no work) {
 *         sleeper.sleep();
 *       }
 *     }
 *   }
 * </pre>
 *
 * <p><b>Why no wake-up is lost.</b> Two flags, both volatile, so that all accesses to them have one
 * order. {@link #wake} stores {@code woken}, then loads {@code sleeping}. The loop stores {@code
 * sleeping}, looks whether there is work, loads {@code woken}, and waits. If the waker loads {@code
 * sleeping} before the loop stores it, the loop's later load finds {@code woken} and does not wait.
 * If it loads it after, it signals the eventfd, which stays readable until the loop drains it: a
 * wait that has not begun yet returns at once.
 *
 * <p>One thread sleeps; {@link #wake} may be called by any, also after {@link #close}.
 */
public final class Sleeper implements AutoCloseable {
  private final EventFd wakeFd = EventFd.create();
  private final Poll poll;

  private volatile boolean woken;
  private volatile boolean sleeping;
  private volatile long sleeps;

  /**
   * @param fds that end the sleep when they are readable; a negative one never does. They stay
   *     their owners'.
   */
  public Sleeper(int... fds) {
    poll = new Poll(fds.length + 1);
    poll.add(wakeFd.fd());
    for (int fd : fds) {
      poll.add(fd);
    }
  }

  /** There may be work. Any thread; a system call only if the loop sleeps. */
  public void wake() {
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

  /** The loop is about to look for work: the wake-ups so far are answered. */
  public void awake() {
    sleeping = false;
    woken = false;
  }

  /** Whether there was a wake-up since {@link #awake}. */
  public boolean woken() {
    return woken;
  }

  /** From now on a wake-up is signalled. The loop looks for work once more. */
  public void fallAsleep() {
    sleeping = true;
  }

  /** Waits for a wake-up since {@link #awake}, or for a descriptor. */
  public void sleep() {
    if (!woken) {
      sleeps++;
      poll.await(Poll.FOREVER);
      wakeFd.drain();
    }
    sleeping = false;
  }

  /** How often the loop has slept; any thread. */
  public long sleeps() {
    return sleeps;
  }

  /** Whether the loop sleeps now, or is about to; any thread. */
  public boolean sleeping() {
    return sleeping;
  }

  /** Frees the descriptors; the loop must have ended. */
  @Override
  public void close() {
    // A waker may be on its way into signal(): the descriptor is closed once none can use it.
    synchronized (wakeFd) {
      sleeping = false;
      wakeFd.close();
    }
    poll.close();
  }
}
