package dev.virtiolab.net;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Frames and bytes of a back end, read by any thread. What crossed is counted by the device's
 * thread only; what was lost, by whoever lost it.
 */
public final class BackendCounters {
  private static final VarHandle FRAMES_OUT = handle("framesOut");
  private static final VarHandle BYTES_OUT = handle("bytesOut");
  private static final VarHandle FRAMES_IN = handle("framesIn");
  private static final VarHandle BYTES_IN = handle("bytesIn");
  private static final VarHandle DROPPED_OUT = handle("droppedOut");
  private static final VarHandle DROPPED_IN = handle("droppedIn");
  private static final VarHandle REFUSED = handle("refused");

  private long framesOut;
  private long bytesOut;
  private long framesIn;
  private long bytesIn;
  private long droppedOut;
  private long droppedIn;
  private long refused;

  public BackendCounters() {}

  /** Frames handed to the wire. */
  public long framesOut() {
    return (long) FRAMES_OUT.getOpaque(this);
  }

  public long bytesOut() {
    return (long) BYTES_OUT.getOpaque(this);
  }

  /** Frames taken from the wire and consumed. */
  public long framesIn() {
    return (long) FRAMES_IN.getOpaque(this);
  }

  public long bytesIn() {
    return (long) BYTES_IN.getOpaque(this);
  }

  /**
   * Committed frames that the wire lost: an error, or a peer that went away. Where they wait for
   * the wire in between, they have been counted as handed to it.
   */
  public long droppedOut() {
    return (long) DROPPED_OUT.getOpaque(this);
  }

  /** Frames from the wire that were not fit to be shown: runts and giants. */
  public long droppedIn() {
    return (long) DROPPED_IN.getOpaque(this);
  }

  /** Claims that were refused for want of room. */
  public long refused() {
    return (long) REFUSED.getOpaque(this);
  }

  /** A frame was handed to the wire. */
  public void sent(int bytes) {
    FRAMES_OUT.setOpaque(this, framesOut + 1);
    BYTES_OUT.setOpaque(this, bytesOut + bytes);
  }

  /** A frame from the wire was consumed. */
  public void received(int bytes) {
    FRAMES_IN.setOpaque(this, framesIn + 1);
    BYTES_IN.setOpaque(this, bytesIn + bytes);
  }

  /** A committed frame was lost. Any thread. */
  public void lostOut() {
    lostOut(1);
  }

  /** So many committed frames were lost. Any thread. */
  public void lostOut(int frames) {
    DROPPED_OUT.getAndAdd(this, (long) frames);
  }

  /** A frame from the wire was not fit to be shown. Any thread. */
  public void lostIn() {
    DROPPED_IN.getAndAdd(this, 1L);
  }

  /** A claim was refused for want of room. */
  public void refusedClaim() {
    REFUSED.setOpaque(this, refused + 1);
  }

  private static VarHandle handle(String field) {
    try {
      return MethodHandles.lookup().findVarHandle(BackendCounters.class, field, long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
