package dev.virtiolab.posix;

/** Waits that an interrupt does not cut short; whoever was interrupted still is afterwards. */
public final class Uninterruptibly {

  private Uninterruptibly() {}

  /** Waits until {@code thread} has ended: what it uses can be let go of then, and not before. */
  public static void join(Thread thread) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
