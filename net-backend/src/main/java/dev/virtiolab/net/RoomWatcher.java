package dev.virtiolab.net;

import dev.virtiolab.posix.DatagramSocket;
import java.util.concurrent.locks.LockSupport;

/**
 * A thread that waits for room in a datagram socket when it is asked to, and says when there is
 * some. It is started when it is first asked: a wire that never pushes back has none.
 */
final class RoomWatcher {
  private final DatagramSocket socket;
  private final Runnable tell;

  private Thread thread;
  private volatile boolean asked;
  private volatile boolean stopping;

  /**
   * @param tell what to run when there is room; on the watcher's thread
   */
  RoomWatcher(DatagramSocket socket, Runnable tell) {
    this.socket = socket;
    this.tell = tell;
  }

  /** There was no room. The device's thread. */
  void ask() {
    asked = true;
    if (thread == null) {
      thread = Thread.ofPlatform().name("dgram-room").daemon().start(this::run);
    }
    LockSupport.unpark(thread);
  }

  /** Ends the thread and waits for that. */
  void stop() {
    stopping = true;
    socket.stopWaiting();
    if (thread == null) {
      return;
    }
    LockSupport.unpark(thread);
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

  private void run() {
    while (!stopping) {
      if (asked) {
        // Before the wait: who asks during it is answered by one more.
        asked = false;
        socket.awaitRoom();
        tell.run();
      } else {
        LockSupport.park(this);
      }
    }
  }
}
