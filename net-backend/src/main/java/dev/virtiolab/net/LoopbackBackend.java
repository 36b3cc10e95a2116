package dev.virtiolab.net;

import dev.virtiolab.net.ring.Claims;
import dev.virtiolab.net.ring.FrameRing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A wire in memory. {@link #pair} joins two NICs, each on its own thread or both on one; {@link
 * #single} is a plug that hands a NIC its own frames back.
 *
 * <p>An end that closes takes the link of the other down; what that one commits from then on is
 * counted as dropped. The memory is let go when the last end has closed.
 */
public final class LoopbackBackend implements NetBackend {

  /** The two ends of one wire. */
  public record Pair(LoopbackBackend left, LoopbackBackend right) {}

  /** What the ends share: native memory, and how many of them hold on to it. */
  private static final class Wire {
    final Arena arena = Arena.ofShared();
    final AtomicInteger holders;

    Wire(int holders) {
      this.holders = new AtomicInteger(holders);
    }

    void letGo() {
      if (holders.decrementAndGet() == 0) {
        arena.close();
      }
    }
  }

  private static final Runnable NOBODY = () -> {};

  private final Wire wire;
  private final FrameRing out;
  private final FrameRing in;
  private final MemorySegment lost;
  private final int maxFrame;
  private final BackendCounters counters = new BackendCounters();

  private LoopbackBackend peer;
  private int claimLength;
  private boolean claimIsLost;
  private int peekLength;
  private volatile Runnable wake = NOBODY;
  private volatile boolean closed;

  private LoopbackBackend(Wire wire, FrameRing out, FrameRing in, int maxFrame) {
    this.wire = wire;
    this.out = out;
    this.in = in;
    this.maxFrame = maxFrame;
    lost = wire.arena.allocate(maxFrame);
  }

  /**
   * Two ends that are joined.
   *
   * @param frames how many fit in each direction, a power of two
   * @param maxFrame the largest frame in bytes
   */
  public static Pair pair(int frames, int maxFrame) {
    Wire wire = new Wire(2);
    FrameRing rightwards = new FrameRing(wire.arena, frames, maxFrame);
    FrameRing leftwards = new FrameRing(wire.arena, frames, maxFrame);
    LoopbackBackend left = new LoopbackBackend(wire, rightwards, leftwards, maxFrame);
    LoopbackBackend right = new LoopbackBackend(wire, leftwards, rightwards, maxFrame);
    left.peer = right;
    right.peer = left;
    return new Pair(left, right);
  }

  /**
   * One end that receives what it sends.
   *
   * @param frames how many fit, a power of two
   * @param maxFrame the largest frame in bytes
   */
  public static LoopbackBackend single(int frames, int maxFrame) {
    Wire wire = new Wire(1);
    FrameRing ring = new FrameRing(wire.arena, frames, maxFrame);
    LoopbackBackend end = new LoopbackBackend(wire, ring, ring, maxFrame);
    end.peer = end;
    return end;
  }

  @Override
  public int maxFrameLength() {
    return maxFrame;
  }

  @Override
  public boolean claim(int length) {
    Claims.checkClaim(claimLength, length, maxFrame);
    claimIsLost = peer.closed;
    if (!claimIsLost && !out.hasRoom()) {
      counters.refusedClaim();
      return false;
    }
    claimLength = length;
    return true;
  }

  @Override
  public MemorySegment claimed() {
    return claimIsLost ? lost : out.memory();
  }

  @Override
  public long claimedOffset() {
    return claimIsLost ? 0 : out.writeOffset();
  }

  @Override
  public void commit() {
    Claims.checkOpen(claimLength);
    if (claimIsLost) {
      counters.lostOut();
    } else {
      out.commit(claimLength);
      counters.sent(claimLength);
    }
    claimLength = 0;
  }

  @Override
  public void abort() {
    Claims.checkOpen(claimLength);
    claimLength = 0;
  }

  @Override
  public void flush() {
    if (out.publish()) {
      peer.wake.run();
    }
  }

  @Override
  public int peek() {
    if (peekLength == 0) {
      peekLength = in.peek();
    }
    return peekLength;
  }

  @Override
  public MemorySegment peeked() {
    return in.memory();
  }

  @Override
  public long peekedOffset() {
    return in.readOffset();
  }

  @Override
  public void release() {
    Claims.checkPeeked(peekLength);
    counters.received(peekLength);
    peekLength = 0;
    if (in.release()) {
      peer.wake.run();
    }
  }

  /** There is none. */
  @Override
  public int readableFd() {
    return -1;
  }

  @Override
  public void onReady(Runnable wake) {
    this.wake = wake;
  }

  @Override
  public boolean linkUp() {
    return !peer.closed;
  }

  @Override
  public BackendCounters counters() {
    return counters;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      wake = NOBODY;
      if (peer != this) {
        peer.wake.run();
      }
      wire.letGo();
    }
  }
}
