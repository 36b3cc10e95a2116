package dev.virtiolab.net.fault;

/**
 * Chance that can be looked up: a number in [0, 1) for each frame and each question about it, which
 * depends on nothing that was asked before. So a fault that is switched on or off changes no draw
 * of another, and twice the loss loses the same frames and some more.
 *
 * <p>The n-th output of the SplitMix64 generator, of which state and output function are known, is
 * computed directly.
 */
final class Dice {
  /** What is asked about a frame. */
  static final int LOSS = 0;

  static final int CORRUPTION = 1;
  static final int BIT = 2;
  static final int DUPLICATION = 3;
  static final int REORDERING = 4;
  static final int JITTER = 5;

  /** Room for the questions of one frame. */
  private static final int QUESTIONS = 8;

  /** 2^64 by the golden ratio, odd: what SplitMix64 adds at each step. */
  private static final long STEP = 0x9e37_79b9_7f4a_7c15L;

  private static final int DOUBLE_BITS = 53;
  private static final double ULP = 0x1p-53;

  private final long origin;

  Dice(long seed, Direction direction) {
    // Mixed once, so that neighbouring seeds and the two directions have nothing in common.
    origin = mix(mix(seed) + direction.ordinal() * STEP + STEP);
  }

  /** From 0 to less than 1. */
  double roll(long number, int question) {
    long state = origin + (number * QUESTIONS + question) * STEP;
    return (mix(state) >>> Long.SIZE - DOUBLE_BITS) * ULP;
  }

  /** SplitMix64's output function. */
  private static long mix(long state) {
    long z = (state ^ state >>> 30) * 0xbf58_476d_1ce4_e5b9L;
    z = (z ^ z >>> 27) * 0x94d0_49bb_1331_11ebL;
    return z ^ z >>> 31;
  }
}
