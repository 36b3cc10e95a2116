package dev.virtiolab.virtio.net;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** What the device has done since it was made; readable from any thread. */
public final class NetCounters {
  private static final VarHandle FRAMES_SENT = handle("framesSent");
  private static final VarHandle BYTES_SENT = handle("bytesSent");
  private static final VarHandle FRAMES_RECEIVED = handle("framesReceived");
  private static final VarHandle BYTES_RECEIVED = handle("bytesReceived");
  private static final VarHandle QUEUE_INTERRUPTS = handle("queueInterrupts");
  private static final VarHandle CONFIG_INTERRUPTS = handle("configInterrupts");
  private static final VarHandle BREAKDOWNS = handle("breakdowns");
  private static final VarHandle RESETS = handle("resets");
  private static final VarHandle HELD_BACK = handle("heldBack");
  private static final VarHandle FILTERED = handle("filtered");
  private static final VarHandle WORKED_OUT = handle("workedOut");
  private static final VarHandle WORKED_IN = handle("workedIn");
  private static final VarHandle COMMANDS_DONE = handle("commandsDone");
  private static final VarHandle COMMANDS_REFUSED = handle("commandsRefused");
  private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(long[].class);

  private long framesSent;
  private long bytesSent;
  private long framesReceived;
  private long bytesReceived;
  private long queueInterrupts;
  private long configInterrupts;
  private long breakdowns;
  private long resets;
  private long heldBack;
  private long filtered;
  private long workedOut;
  private long workedIn;
  private long commandsDone;
  private long commandsRefused;
  private final long[] kicks;
  private final long[] drops = new long[Drop.values().length];

  /**
   * @param queues that the device has at most
   */
  NetCounters(int queues) {
    kicks = new long[queues];
  }

  /** Frames of the driver that were handed to the back end. */
  public long framesSent() {
    return (long) FRAMES_SENT.getOpaque(this);
  }

  /** Bytes of them, without virtio_net_hdr. */
  public long bytesSent() {
    return (long) BYTES_SENT.getOpaque(this);
  }

  /** Frames of the wire that were handed to the driver. */
  public long framesReceived() {
    return (long) FRAMES_RECEIVED.getOpaque(this);
  }

  /** Bytes of them, without virtio_net_hdr. */
  public long bytesReceived() {
    return (long) BYTES_RECEIVED.getOpaque(this);
  }

  /** Kicks of a queue, by its number: 0 receive, 1 transmit. */
  public long kicks(int queue) {
    return (long) ELEMENT.getOpaque(kicks, queue);
  }

  /** Used buffer notifications that the driver wanted. */
  public long queueInterrupts() {
    return (long) QUEUE_INTERRUPTS.getOpaque(this);
  }

  /** Changes of the configuration or the status that the driver was to be told of. */
  public long configInterrupts() {
    return (long) CONFIG_INTERRUPTS.getOpaque(this);
  }

  /** Times that the device set DEVICE_NEEDS_RESET. */
  public long breakdowns() {
    return (long) BREAKDOWNS.getOpaque(this);
  }

  /** Times that the device was reset. */
  public long resets() {
    return (long) RESETS.getOpaque(this);
  }

  /** Frames left in the transmit queue for a while, since the wire had no room. */
  public long heldBack() {
    return (long) HELD_BACK.getOpaque(this);
  }

  /** Frames of the wire that were for others, as the driver set the receive filter. */
  public long filteredFrames() {
    return (long) FILTERED.getOpaque(this);
  }

  /**
   * Frames of the driver that the device cut into several, or completed, since the wire does not.
   */
  public long workedOut() {
    return (long) WORKED_OUT.getOpaque(this);
  }

  /** Frames of the wire that the device cut or completed, since the driver does not take them. */
  public long workedIn() {
    return (long) WORKED_IN.getOpaque(this);
  }

  /** Commands of the driver that were carried out. */
  public long commandsDone() {
    return (long) COMMANDS_DONE.getOpaque(this);
  }

  /** Commands of the driver that were answered with VIRTIO_NET_ERR. */
  public long commandsRefused() {
    return (long) COMMANDS_REFUSED.getOpaque(this);
  }

  /** Frames dropped for one reason. */
  public long drops(Drop reason) {
    return (long) ELEMENT.getOpaque(drops, reason.ordinal());
  }

  /** Frames dropped. */
  public long drops() {
    long sum = 0;
    for (int i = 0; i < drops.length; i++) {
      sum += (long) ELEMENT.getOpaque(drops, i);
    }
    return sum;
  }

  /** Any thread: the only counter that has several writers. */
  void kicked(int queue) {
    // Release, for kickedAcquire(): who sees the kick sees what the driver stored before it.
    ELEMENT.getAndAddRelease(kicks, queue, 1L);
  }

  /** All kicks so far. */
  long kickedAcquire() {
    // Acquire: pairs with kicked().
    long sum = 0;
    for (int queue = 0; queue < kicks.length; queue++) {
      sum += (long) ELEMENT.getAcquire(kicks, queue);
    }
    return sum;
  }

  // The rest has one writer at a time, under the device's lock.

  void sent(int bytes) {
    FRAMES_SENT.setOpaque(this, framesSent + 1);
    BYTES_SENT.setOpaque(this, bytesSent + bytes);
  }

  void received(int bytes) {
    FRAMES_RECEIVED.setOpaque(this, framesReceived + 1);
    BYTES_RECEIVED.setOpaque(this, bytesReceived + bytes);
  }

  void queueInterrupt() {
    QUEUE_INTERRUPTS.setOpaque(this, queueInterrupts + 1);
  }

  void configInterrupt() {
    CONFIG_INTERRUPTS.setOpaque(this, configInterrupts + 1);
  }

  void brokeDown() {
    BREAKDOWNS.setOpaque(this, breakdowns + 1);
  }

  void wasReset() {
    RESETS.setOpaque(this, resets + 1);
  }

  void held() {
    HELD_BACK.setOpaque(this, heldBack + 1);
  }

  void filtered() {
    FILTERED.setOpaque(this, filtered + 1);
  }

  void workedOnOut() {
    WORKED_OUT.setOpaque(this, workedOut + 1);
  }

  void workedOnIn() {
    WORKED_IN.setOpaque(this, workedIn + 1);
  }

  void commanded(boolean done) {
    if (done) {
      COMMANDS_DONE.setOpaque(this, commandsDone + 1);
    } else {
      COMMANDS_REFUSED.setOpaque(this, commandsRefused + 1);
    }
  }

  void dropped(Drop reason) {
    ELEMENT.setOpaque(drops, reason.ordinal(), drops[reason.ordinal()] + 1);
  }

  private static VarHandle handle(String field) {
    try {
      return MethodHandles.lookup().findVarHandle(NetCounters.class, field, long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
