package dev.virtiolab.pci.vfiouser;

import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.UnixStream;
import java.lang.foreign.MemorySegment;

/**
 * Where whole messages go out to a client, one after the other: replies from the server's thread,
 * requests from the device's.
 *
 * <p>A client has to make room in time. One that does not is of no use any more: what it got may
 * end in the midst of a message.
 */
final class Outlet {
  private static final int[] NO_FDS = {};

  private final UnixStream stream;
  private final long patienceNanos;
  private String trouble = "";
  private boolean closed;

  /**
   * @param stream stays the caller's
   * @param patienceNanos how long a client may take to make room
   */
  Outlet(UnixStream stream, long patienceNanos) {
    this.stream = stream;
    this.patienceNanos = patienceNanos;
  }

  /** Why nothing can be sent any more; empty while it can. */
  synchronized String trouble() {
    return trouble;
  }

  /**
   * Sends the first {@code bytes} of {@code message}.
   *
   * @return false if they could not be sent: see {@link #trouble}; the connection is at its end
   *     then, which its reader sees
   */
  synchronized boolean send(MemorySegment message, int bytes) {
    if (closed || !trouble.isEmpty()) {
      return false;
    }
    long start = System.nanoTime();
    for (int sent = 0; sent < bytes; ) {
      int result = stream.send(message, sent, bytes - sent, NO_FDS);
      if (result > 0) {
        sent += result;
      } else if (result != -Errno.EAGAIN && result != -Errno.EINTR) {
        return fail("is gone before its reply: " + Errno.text(-result));
      } else {
        long left = patienceNanos - (System.nanoTime() - start);
        if (left <= 0) {
          return fail("does not read what it is sent");
        }
        awaitRoom(left);
      }
    }
    return true;
  }

  private boolean fail(String why) {
    trouble = why;
    stream.shutdown();
    return false;
  }

  private void awaitRoom(long nanos) {
    try (Poll room = new Poll(1)) {
      room.addWritable(stream.fd());
      room.await(nanos);
    }
  }

  /** Nobody sends from now on: the stream may be closed. */
  synchronized void close() {
    closed = true;
  }
}
