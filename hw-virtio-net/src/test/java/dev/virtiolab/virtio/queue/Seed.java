package dev.virtiolab.virtio.queue;

import java.util.SplittableRandom;

/** The seed of a random test: printed by whoever fails, set by {@code -Dvirtiolab.seed=N}. */
final class Seed {
  static final long VALUE = Long.getLong("virtiolab.seed", System.nanoTime());

  private Seed() {}

  /** A generator for one test; the same seed gives the same histories. */
  static SplittableRandom random(String test) {
    System.out.println(test + ": -Dvirtiolab.seed=" + VALUE);
    return new SplittableRandom(VALUE);
  }
}
