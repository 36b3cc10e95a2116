package dev.virtiolab.net.fault;

import dev.virtiolab.net.ForwardingBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.ring.Claims;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.LongSupplier;

/**
 * Any back end, with faults: see the package. Without any it passes on what it is given, at the
 * cost of a load and a few counters.
 *
 * <p>Rules are changed by any thread, while traffic runs, and hold from the next frame on: a frame
 * that is under way stays so, and a frame that the NIC has been shown stays shown. What is under
 * way keeps its order: a frame that came later arrives later, also where the delay was made
 * shorter, unless one of them is held back.
 *
 * <p>What is under way is bounded in frames, by the rules, and to 8 MiB each way. What comes on top
 * is dropped and counted: a frame that is to be delayed is taken at once, as a wire would, and
 * never refused. Where the wire behind refuses a frame that has arrived, it waits at the head of
 * its line.
 *
 * <p>{@link #counters()} are those of the wire behind; what came, and what went on to the NIC, is
 * in {@link #faults()}.
 *
 * <p>A frame is moved when the device polls. Where the guest has reset its NIC, what is under way
 * waits until it is set up again.
 */
public final class FaultyBackend extends ForwardingBackend {
  /** Frames of the wire that one look takes in, or skips. */
  private static final int BATCH = 64;

  private static final VarHandle DUE;

  static {
    try {
      DUE = MethodHandles.lookup().findVarHandle(FaultyBackend.class, "dueNanos", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /**
   * What is wanted: replaced as a whole by whoever changes it, read by the device's thread.
   *
   * @param cuts how often the cable was pulled so far
   */
  private record Plan(
      FaultRules out, FaultRules in, boolean cable, int cuts, FaultObserver observer) {}

  private final Arena arena = Arena.ofShared();
  private final FaultCounters counters = new FaultCounters();
  private final FaultJournal journal = new FaultJournal();
  private final LongSupplier nanoClock;
  private final long originNanos;
  private final Lane out;
  private final Lane in;

  /** Null where the clock is a test's. */
  private final Alarm alarm;

  private volatile Plan plan =
      new Plan(FaultRules.NONE, FaultRules.NONE, true, 0, FaultObserver.NONE);
  private volatile Runnable wake = () -> {};

  // The device's thread.

  private Plan adopted = plan;
  private int claimLength;
  private boolean claimIsKept;
  private int peekLength;
  private boolean peekIsKept;

  /** Room for the frame that the NIC is shown, where it was kept. */
  private MemorySegment shown;

  /** The wire has refused what is due: it will say when it has room. */
  private boolean refused;

  /** When something is due next; read by whoever calls {@link #tick()}. */
  private long dueNanos = Alarm.NEVER;

  private boolean closed;

  private FaultyBackend(NetBackend inner, long seed, LongSupplier nanoClock, boolean isHostClock) {
    super(inner);
    this.nanoClock = nanoClock;
    originNanos = nanoClock.getAsLong();
    int maxFrame = inner.maxFrameLength();
    out = new Lane(Direction.OUT, seed, counters, journal, arena, maxFrame);
    in = new Lane(Direction.IN, seed, counters, journal, arena, maxFrame);
    alarm = isHostClock ? new Alarm(this::now, () -> wake.run()) : null;
  }

  /**
   * Faults in the host's time, none yet.
   *
   * @param inner nobody else's from now on, and closed with this back end
   * @param seed what chance follows from
   */
  public static FaultyBackend open(NetBackend inner, long seed) {
    return new FaultyBackend(inner, seed, System::nanoTime, true);
  }

  /**
   * Faults in the time of a clock that somebody drives. When it has moved, the device is polled, or
   * {@link #tick()} is called.
   *
   * @param nanoClock nanoseconds from any origin, not wrapping; read by the device's thread
   */
  public static FaultyBackend stepped(NetBackend inner, long seed, LongSupplier nanoClock) {
    return new FaultyBackend(inner, seed, nanoClock, false);
  }

  // ---- what any thread may do

  /** What befalls the frames of one direction from the next one on. */
  public void rules(Direction direction, FaultRules rules) {
    synchronized (arena) {
      Plan now = plan;
      plan =
          switch (direction) {
            case OUT -> new Plan(rules, now.in, now.cable, now.cuts, now.observer);
            case IN -> new Plan(now.out, rules, now.cable, now.cuts, now.observer);
          };
    }
    wake.run();
  }

  /** Likewise of both. */
  public void rules(FaultRules both) {
    synchronized (arena) {
      Plan now = plan;
      plan = new Plan(both, both, now.cable, now.cuts, now.observer);
    }
    wake.run();
  }

  /** What befalls the frames of one direction now. */
  public FaultRules rules(Direction direction) {
    return direction == Direction.OUT ? plan.out : plan.in;
  }

  /** As a specification says. */
  public void rules(FaultSpec spec) {
    synchronized (arena) {
      Plan now = plan;
      plan = new Plan(spec.out(), spec.in(), now.cable, now.cuts, now.observer);
    }
    wake.run();
  }

  /**
   * Pulls the cable, or plugs it in again: the NIC's link goes down, what is under way is lost, and
   * so is what comes until the link is up again.
   */
  public void link(boolean up) {
    synchronized (arena) {
      Plan now = plan;
      int cuts = now.cable && !up ? now.cuts + 1 : now.cuts;
      plan = new Plan(now.out, now.in, up, cuts, now.observer);
    }
    wake.run();
  }

  /**
   * Shows {@code observer} what befalls frames from now on, instead of whom it showed it before.
   */
  public void observe(FaultObserver observer) {
    synchronized (arena) {
      Plan now = plan;
      plan = new Plan(now.out, now.in, now.cable, now.cuts, observer);
    }
  }

  /** The clock has moved: wakes the device if something is due. */
  public void tick() {
    if ((long) DUE.getOpaque(this) <= now()) {
      wake.run();
    }
  }

  /** How many frames came, and what befell them. */
  public FaultCounters faults() {
    return counters;
  }

  /** What befell which frame. */
  public FaultJournal journal() {
    return journal;
  }

  // ---- from the NIC

  @Override
  public boolean claim(int length) {
    refresh();
    Claims.checkClaim(claimLength, length, maxFrameLength());
    claimIsKept = out.isKept();
    if (claimIsKept ? out.takes(length) : inner.claim(length)) {
      claimLength = length;
      return true;
    }
    return false;
  }

  @Override
  public MemorySegment claimed() {
    return claimIsKept ? out.scratch() : inner.claimed();
  }

  @Override
  public long claimedOffset() {
    return claimIsKept ? 0 : inner.claimedOffset();
  }

  @Override
  public void commit() {
    Claims.checkOpen(claimLength);
    int length = claimLength;
    claimLength = 0;
    if (claimIsKept) {
      claimIsKept = false;
      out.keep(now(), out.scratch(), 0, length);
    } else if (out.isQuiet()) {
      out.came();
      out.passed();
      inner.commit();
    } else if (out.judge(now(), inner.claimed(), inner.claimedOffset(), length)) {
      out.passed();
      inner.commit();
    } else {
      inner.abort();
    }
  }

  @Override
  public void abort() {
    Claims.checkOpen(claimLength);
    claimLength = 0;
    if (claimIsKept) {
      claimIsKept = false;
    } else {
      inner.abort();
    }
  }

  @Override
  public void flush() {
    if (out.isWaiting()) {
      handOut(now());
      setAlarm();
    }
    inner.flush();
  }

  /**
   * Hands the wire what is due.
   *
   * @return whether there was anything, which is then to be flushed
   */
  private boolean handOut(long now) {
    refused = false;
    boolean handed = false;
    for (int length = out.dueLength(now); length != 0; length = out.dueLength(now)) {
      if (!inner.claim(length)) {
        refused = true;
        break;
      }
      out.deliver(now, inner.claimed(), inner.claimedOffset());
      inner.commit();
      out.passed();
      handed = true;
    }
    return handed;
  }

  // ---- from the wire

  @Override
  public int peek() {
    refresh();
    if (out.isWaiting() && handOut(now())) {
      inner.flush();
    }
    if (peekLength == 0) {
      peekLength = in.isQuiet() ? peekQuietly() : in.isKept() ? peekKept() : peekJudged();
    }
    if (dueNanos != Alarm.NEVER || out.isWaiting() || in.isWaiting()) {
      setAlarm();
    }
    return peekLength;
  }

  private int peekQuietly() {
    int length = inner.peek();
    if (length != 0) {
      in.came();
      peekIsKept = false;
    }
    return length;
  }

  private int peekJudged() {
    for (int looks = 0; looks < BATCH; looks++) {
      int length = inner.peek();
      if (length == 0) {
        return 0;
      }
      if (in.judge(now(), inner.peeked(), inner.peekedOffset(), length)) {
        peekIsKept = false;
        return length;
      }
      inner.release();
    }
    wake.run(); // there may be more
    return 0;
  }

  private int peekKept() {
    long now = now();
    int length = in.dueLength(now);
    int taken = 0;
    if (length == 0) {
      // Not before: a NIC that takes less than there is leaves the rest to the wire.
      taken = takeIn(now);
      length = in.dueLength(now);
    }
    if (length != 0) {
      if (shown == null) {
        shown = arena.allocate(maxFrameLength(), Long.BYTES);
      }
      in.deliver(now, shown, 0);
      peekIsKept = true;
    } else if (taken == BATCH) {
      wake.run(); // there may be more
    }
    return length;
  }

  /** Lets frames of the wire set out. */
  private int takeIn(long now) {
    int taken = 0;
    while (taken < BATCH) {
      int length = inner.peek();
      if (length == 0 || !in.takes(length)) {
        break;
      }
      in.keep(now, inner.peeked(), inner.peekedOffset(), length);
      inner.release();
      taken++;
    }
    return taken;
  }

  @Override
  public MemorySegment peeked() {
    return peekIsKept ? shown : inner.peeked();
  }

  @Override
  public long peekedOffset() {
    return peekIsKept ? 0 : inner.peekedOffset();
  }

  @Override
  public void release() {
    Claims.checkPeeked(peekLength);
    peekLength = 0;
    in.passed();
    if (peekIsKept) {
      peekIsKept = false;
    } else {
      inner.release();
    }
  }

  // ---- the rest

  @Override
  public void onReady(Runnable onReady) {
    wake = onReady;
    inner.onReady(onReady);
  }

  @Override
  public boolean linkUp() {
    return plan.cable && inner.linkUp();
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (alarm != null) {
      alarm.close();
    }
    try {
      inner.close();
    } finally {
      arena.close();
    }
  }

  private void refresh() {
    Plan now = plan;
    if (now != adopted) {
      adopt(now);
    }
  }

  private void adopt(Plan next) {
    if (next.cuts != adopted.cuts) {
      long now = now();
      out.cut(now);
      in.cut(now);
    }
    adopted = next;
    out.adopt(next.out, next.cable, next.observer);
    in.adopt(next.in, next.cable, next.observer);
  }

  private void setAlarm() {
    long next = refused ? Alarm.NEVER : out.nextDue();
    if (peekLength == 0) {
      // A frame that is shown is waited for by the NIC, which looks again by itself.
      next = Math.min(next, in.nextDue());
    }
    if (next != dueNanos) {
      DUE.setOpaque(this, next);
    }
    if (alarm != null) {
      alarm.set(next);
    }
  }

  private long now() {
    return nanoClock.getAsLong() - originNanos;
  }
}
