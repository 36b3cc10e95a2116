package dev.virtiolab.lab.ebs;

/**
 * The gaps of a run: between any two of a call, a register access, a single unmap, and a handler's
 * entry and exit. In each gap devices attempt DMA and the judge looks. Two gaps with nothing
 * between them are one.
 */
final class Gaps {
  /** A run has some hundred; one that has so many does not end. */
  static final int MOST = 20_000;

  /** The firmware boots with some thousand calls. */
  static final int MOST_OUTSIDE = 500_000;

  private final Log log;
  private final Runnable inGap;
  private boolean open;
  private boolean inside;
  private boolean moved;
  private int seen;
  private int outside;

  Gaps(Log log, Runnable inGap) {
    this.log = log;
    this.inGap = inGap;
  }

  /** Gaps count from here on. */
  void open() {
    open = true;
    moved = true;
  }

  void close() {
    open = false;
  }

  boolean areOpen() {
    return open;
  }

  /** A call where gaps do not count: at boot, or between two calls of ExitBootServices. */
  void outside() {
    if (++outside > MOST_OUTSIDE) {
      throw log.cut(
          "it loops: more than " + MOST_OUTSIDE + " calls while ExitBootServices is not under way");
    }
  }

  /** Something is about to happen. */
  void before() {
    pass();
    moved = true;
  }

  /** Something has happened. */
  void after() {
    moved = true;
    pass();
  }

  private void pass() {
    if (!open || inside || !moved) {
      return;
    }
    log.endIfCut();
    if (++seen > MOST) {
      throw log.cut("it loops: more than " + MOST + " calls, unmaps and handlers in one run");
    }
    moved = false;
    inside = true;
    try {
      inGap.run();
    } finally {
      inside = false;
    }
  }
}
