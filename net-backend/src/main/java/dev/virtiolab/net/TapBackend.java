package dev.virtiolab.net;

import dev.virtiolab.net.ring.Claims;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.Tap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A TAP interface of the kernel: what the guest sends the host receives on it, and the other way
 * round. One system call per frame.
 *
 * <p>A TAP never pushes back. A write is received by the host's network stack before it returns,
 * and fails only where the kernel is out of memory, the interface is down, or the frame is none;
 * such a frame is lost, as on a real wire, and counted. Towards the guest the kernel holds 500 or
 * 1000 frames (the interface's txqueuelen) and drops what comes on top.
 *
 * <p>Where the interface is deleted the link goes down for good, with one line in the log.
 */
public final class TapBackend implements NetBackend {
  private static final System.Logger LOG = System.getLogger(TapBackend.class.getName());

  private static final int ETHERNET_HEADER_BYTES = 14;

  /** Frames not fit to be shown that one {@link #peek()} skips at most. */
  private static final int SKIP_LIMIT = 64;

  private final Arena arena = Arena.ofShared();
  private final BackendCounters counters = new BackendCounters();
  private final Tap tap;
  private final MemorySegment out;
  private final MemorySegment in;

  private int claimLength;
  private int peekLength;
  private boolean closed;
  private volatile boolean gone;
  private volatile Runnable wake = () -> {};

  private TapBackend(Tap tap) {
    this.tap = tap;
    out = arena.allocate(LARGEST_FRAME, Long.BYTES);
    // One byte more than a frame may have tells a giant from the largest frame.
    in = arena.allocate(LARGEST_FRAME + 1L, Long.BYTES);
  }

  /**
   * Makes the interface, down at first, in the network namespace of the calling thread.
   *
   * @param name up to 15 bytes; empty, or one with {@code %d}, lets the kernel choose
   * @throws dev.virtiolab.posix.PosixException as {@link Tap#open(String)}
   */
  public static TapBackend open(String name) {
    return new TapBackend(Tap.open(name));
  }

  /** The interface's name. */
  public String name() {
    return tap.name();
  }

  @Override
  public int maxFrameLength() {
    return LARGEST_FRAME;
  }

  /** Never refused. */
  @Override
  public boolean claim(int length) {
    Claims.checkClaim(claimLength, length, LARGEST_FRAME);
    claimLength = length;
    return true;
  }

  @Override
  public MemorySegment claimed() {
    return out;
  }

  @Override
  public long claimedOffset() {
    return 0;
  }

  /** Writes at once. */
  @Override
  public void commit() {
    Claims.checkOpen(claimLength);
    int length = claimLength;
    claimLength = 0;
    int written = tap.write(out, 0, length);
    if (written == length) {
      counters.sent(length);
    } else {
      counters.lostOut();
      noticeError(written);
    }
  }

  @Override
  public void abort() {
    Claims.checkOpen(claimLength);
    claimLength = 0;
  }

  @Override
  public void flush() {}

  @Override
  public int peek() {
    if (peekLength != 0 || gone) {
      return peekLength;
    }
    for (int skipped = 0; skipped < SKIP_LIMIT; skipped++) {
      int length = tap.read(in, 0, LARGEST_FRAME + 1);
      if (length < 0) {
        noticeError(length);
        return 0;
      }
      if (length >= ETHERNET_HEADER_BYTES && length <= LARGEST_FRAME) {
        peekLength = length;
        return length;
      }
      counters.lostIn();
    }
    return 0;
  }

  @Override
  public MemorySegment peeked() {
    return in;
  }

  @Override
  public long peekedOffset() {
    return 0;
  }

  @Override
  public void release() {
    Claims.checkPeeked(peekLength);
    counters.received(peekLength);
    peekLength = 0;
  }

  @Override
  public int readableFd() {
    return tap.fd();
  }

  /** Run when the interface is found to be deleted; a write always has room. */
  @Override
  public void onReady(Runnable wake) {
    this.wake = wake;
  }

  /** True until the interface is deleted; a TAP that is merely down swallows frames. */
  @Override
  public boolean linkUp() {
    return !gone;
  }

  @Override
  public BackendCounters counters() {
    return counters;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      tap.close();
      arena.close();
    }
  }

  private void noticeError(int result) {
    if (result == -Errno.EBADFD && !gone) {
      gone = true;
      LOG.log(System.Logger.Level.DEBUG, "{0} was deleted: the link is down", tap.name());
      wake.run();
    }
  }
}
