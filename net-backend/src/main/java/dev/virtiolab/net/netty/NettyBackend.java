package dev.virtiolab.net.netty;

import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.ring.Claims;
import dev.virtiolab.net.ring.WireRing;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.EventLoop;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import io.netty.util.internal.logging.InternalLoggerFactory;
import io.netty.util.internal.logging.JdkLoggerFactory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/**
 * The device's side of a wire that Netty serves: two rings, and an event loop with a thread of its
 * own at their other ends. What the socket is like, the subclass knows; its methods run on the
 * event loop.
 *
 * <p>Frames that are committed while the link is down are lost and counted, as are those that were
 * waiting when it went down: what was flushed for an old connection is never sent on a new one. A
 * frame that was committed and is flushed only when there is a new one goes there, once.
 */
abstract class NettyBackend implements NetBackend {
  /** Bytes of either ring: some 600 frames of 1514 bytes, or 15 000 of 64. */
  static final int RING_BYTES = 1 << 20;

  /** Shorter frames are none (IEEE 802.3: two addresses and a type). */
  static final int ETHERNET_HEADER_BYTES = 14;

  /** Frames not fit to be shown that one {@link #peek()} skips at most. */
  private static final int SKIP_LIMIT = 4096;

  static {
    // Whatever else is on the class path: what Netty has to say goes where the house's words go.
    InternalLoggerFactory.setDefaultFactory(JdkLoggerFactory.INSTANCE);
  }

  private static final long STOP_SECONDS = 10;
  private static final Runnable NOBODY = () -> {};

  /** The event loop: one thread. */
  final EventLoop loop;

  /** From the device to the wire. */
  final WireRing out;

  /** From the wire to the device. */
  final WireRing in;

  /** The memory of {@link #out}, as Netty takes it. */
  final ByteBuf outBytes;

  /** The memory of {@link #in}, as Netty takes it. */
  final ByteBuf inBytes;

  private final Arena arena = Arena.ofShared();
  private final int headerBytes;
  private final int maxFrame;
  private final BackendCounters counters = new BackendCounters();
  private final Runnable drain = this::drain;
  private final Runnable resume = this::resume;

  private int claimLength;
  private int peekLength;
  private volatile boolean up;
  private volatile boolean closed;
  private volatile Runnable wake = NOBODY;

  /**
   * A wire whose frames lie in the rings as they are.
   *
   * @param name of the thread
   * @param io how the event loop waits for its sockets
   */
  NettyBackend(String name, IoHandlerFactory io) {
    this(name, io, 0, LARGEST_FRAME);
  }

  /**
   * A wire whose frames have a header.
   *
   * @param headerBytes bytes in front of each frame in either ring: the subclass writes and reads
   *     them, and the device does not see them
   * @param maxFrame bytes of the largest frame, without its header
   */
  NettyBackend(String name, IoHandlerFactory io, int headerBytes, int maxFrame) {
    this.headerBytes = headerBytes;
    this.maxFrame = maxFrame;
    out = new WireRing(arena, RING_BYTES, headerBytes + maxFrame);
    in = new WireRing(arena, RING_BYTES, headerBytes + maxFrame);
    outBytes = Unpooled.wrappedBuffer(out.memory().asByteBuffer());
    inBytes = Unpooled.wrappedBuffer(in.memory().asByteBuffer());
    loop = new SingleThreadIoEventLoop(null, new DefaultThreadFactory(name, true), io);
  }

  // What a subclass does, on the event loop.

  /** Sends what {@link #out} holds: it was empty before. */
  abstract void drain();

  /** Reads again: {@link #in} has room, after it had none. */
  abstract void resume();

  /** Closes every socket; nothing of the above is called afterwards. */
  abstract void shut();

  // What a subclass calls, on the event loop.

  /** Whether there is somebody on the other side. */
  final void setLink(boolean up) {
    if (this.up != up) {
      this.up = up;
      wake.run();
    }
  }

  /** Shows the device what was committed to {@link #in}. */
  final void publishIn() {
    if (in.publish()) {
      wake.run();
    }
  }

  /** The batch, or the frame, at the head of {@link #out} has been sent, or never will be. */
  final void tellRoom(boolean deviceWaits) {
    if (deviceWaits) {
      wake.run();
    }
  }

  /** Drops every frame that waits in {@link #out}, and counts them. */
  final void loseOut() {
    while (out.batch(RING_BYTES) > 0) {
      counters.lostOut(out.batchFrames());
      tellRoom(out.releaseBatch());
    }
  }

  final boolean closed() {
    return closed;
  }

  // The device's side.

  @Override
  public final int maxFrameLength() {
    return maxFrame;
  }

  @Override
  public final boolean claim(int length) {
    Claims.checkClaim(claimLength, length, maxFrame);
    if (!out.hasRoom(headerBytes + length)) {
      counters.refusedClaim();
      return false;
    }
    claimLength = length;
    return true;
  }

  @Override
  public final MemorySegment claimed() {
    return out.memory();
  }

  @Override
  public final long claimedOffset() {
    return out.writeOffset() + headerBytes;
  }

  /** Goes to the ring; lost where nobody is on the other side. */
  @Override
  public final void commit() {
    Claims.checkOpen(claimLength);
    if (up) {
      out.commit(headerBytes + claimLength);
      counters.sent(claimLength);
    } else {
      counters.lostOut();
    }
    claimLength = 0;
  }

  @Override
  public final void abort() {
    Claims.checkOpen(claimLength);
    claimLength = 0;
  }

  /** Wakes the event loop if it has nothing to send. */
  @Override
  public final void flush() {
    if (out.publish() && !closed) {
      loop.execute(drain);
    }
  }

  @Override
  public final int peek() {
    if (peekLength != 0) {
      return peekLength;
    }
    for (int skipped = 0; skipped < SKIP_LIMIT; skipped++) {
      int bytes = in.peek();
      if (bytes == 0 || bytes >= headerBytes + ETHERNET_HEADER_BYTES) {
        peekLength = bytes == 0 ? 0 : bytes - headerBytes;
        return peekLength;
      }
      counters.lostIn();
      releaseIn();
    }
    wake.run(); // there may be more, which nobody will speak of again
    return 0;
  }

  @Override
  public final MemorySegment peeked() {
    return in.memory();
  }

  @Override
  public final long peekedOffset() {
    return in.readOffset() + headerBytes;
  }

  @Override
  public final void release() {
    Claims.checkPeeked(peekLength);
    counters.received(peekLength);
    peekLength = 0;
    releaseIn();
  }

  private void releaseIn() {
    if (in.release() && !closed) {
      loop.execute(resume);
    }
  }

  /** There is none: the event loop has the socket. */
  @Override
  public final int readableFd() {
    return -1;
  }

  @Override
  public final void onReady(Runnable wake) {
    this.wake = wake;
  }

  /** Whether there is somebody on the other side. */
  @Override
  public final boolean linkUp() {
    return up;
  }

  @Override
  public final BackendCounters counters() {
    return counters;
  }

  /**
   * Closes the sockets and ends the thread, and waits for that. What was flushed before has been
   * offered to the socket; what that did not take is lost.
   */
  @Override
  public final void close() {
    if (closed) {
      return;
    }
    closed = true;
    wake = NOBODY;
    // Waited for: an event loop that is told to end closes its channels before it runs its tasks.
    Future<?> shut = loop.submit(this::shut);
    shut.awaitUninterruptibly(STOP_SECONDS, TimeUnit.SECONDS);
    loop.shutdownGracefully(0, 0, TimeUnit.SECONDS);
    boolean interrupted = false;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(STOP_SECONDS);
    while (!loop.isTerminated()) {
      try {
        if (!loop.awaitTermination(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)
            && System.nanoTime() - deadline > 0) {
          // The memory stays mapped, since the thread may still use it.
          throw new IllegalStateException("the event loop did not end in " + STOP_SECONDS + " s");
        }
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    up = false;
    arena.close();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (shut.cause() != null) {
      throw new IllegalStateException("a socket was not closed", shut.cause());
    }
  }
}
