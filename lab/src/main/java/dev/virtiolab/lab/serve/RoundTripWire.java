package dev.virtiolab.lab.serve;

import dev.virtiolab.net.ForwardingBackend;
import dev.virtiolab.net.SourceBackend;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * A wire that gives numbered frames to a driver which sends them back, and holds every number
 * against the one that is due: if one is lost, doubled or out of order, it is seen.
 *
 * <p>So many frames are under way at most that no ring is ever full: what is missing at the end was
 * lost, and not refused.
 */
public final class RoundTripWire extends ForwardingBackend {
  /** Frames under way at most: half of the smallest ring that drivers use. */
  private static final int WINDOW = 128;

  private static final ValueLayout.OfLong LE64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final int ETHERTYPE_OFFSET = 12;
  private static final short ETHERTYPE_EXPERIMENTAL = (short) 0x88b5;

  private static final VarHandle RETURNED;

  static {
    try {
      RETURNED = MethodHandles.lookup().findVarHandle(RoundTripWire.class, "returned", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final long count;
  private int claimLength;
  private long given;
  private long returned;
  private volatile long firstNanos;
  private volatile long lastNanos;

  /** What was wrong first; empty while nothing was. */
  private volatile String wrong = "";

  /** Frames that are not of this wire's making: a driver may say hello. */
  private volatile long strangers;

  /**
   * @param destination 6 bytes
   * @param source 6 bytes
   * @param frameBytes of each frame
   * @param count frames, at least 1
   */
  public RoundTripWire(byte[] destination, byte[] source, int frameBytes, long count) {
    super(new SourceBackend(destination, source, frameBytes));
    this.count = count;
  }

  /** Frames that came back in their order; any thread. */
  public long returned() {
    return (long) RETURNED.getAcquire(this);
  }

  /** What was wrong with the first frame that was not due; empty if all were; any thread. */
  public String wrong() {
    return wrong;
  }

  /** Whether there is nothing to wait for: all are back, or one was wrong; any thread. */
  public boolean isOver() {
    return returned() == count || !wrong.isEmpty();
  }

  /** Frames from elsewhere that were not looked at; any thread. */
  public long strangers() {
    return strangers;
  }

  /**
   * From the first frame that was given to the last that came back; any thread, once it is over.
   */
  public double seconds() {
    return (lastNanos - firstNanos) / 1e9;
  }

  @Override
  public int peek() {
    return given == count || given - returned >= WINDOW ? 0 : inner.peek();
  }

  @Override
  public void release() {
    if (given == 0) {
      firstNanos = System.nanoTime();
    }
    given++;
    inner.release();
  }

  @Override
  public boolean claim(int length) {
    claimLength = length;
    return inner.claim(length);
  }

  @Override
  public void commit() {
    long at = inner.claimedOffset();
    if (inner.claimed().get(BE16, at + ETHERTYPE_OFFSET) != ETHERTYPE_EXPERIMENTAL
        || claimLength < SourceBackend.MIN_FRAME) {
      strangers++;
    } else {
      long number = inner.claimed().get(LE64, at + SourceBackend.NUMBER_OFFSET);
      if (number == returned && wrong.isEmpty()) {
        // Release: who sees the last number sees when it came.
        if (number == count - 1) {
          lastNanos = System.nanoTime();
        }
        RETURNED.setRelease(this, number + 1);
      } else if (wrong.isEmpty()) {
        wrong = "frame " + number + " came back where " + returned + " was due";
      }
    }
    inner.commit();
  }
}
