package dev.virtiolab.virtio.feature;

import java.util.Arrays;

/**
 * What the driver asked for and what holds: the feature negotiation of virtio v1.4, 2.2 "Feature
 * Bits".
 *
 * <p>The driver's words are stored as written, offered or not; they are judged once, when it sets
 * FEATURES_OK. What was agreed then holds until reset, whatever the driver writes later: the only
 * way to renegotiate is to reset the device.
 */
public final class Negotiation {
  /** Feature words a driver can write: bits 0 to 127. */
  public static final int WORDS = 4;

  private final int[] driver = new int[WORDS];
  private final Features offered;
  private final long required;
  private Features negotiated = Features.NONE;
  private boolean settled;

  /**
   * @param offered what the device offers
   * @param required bits 0 to 63 without which the device does not operate, of those offered
   */
  public Negotiation(Features offered, long required) {
    if (!offered.has(required)) {
      throw new IllegalArgumentException(
          "required features that are not offered: " + Features.of(required).without(offered));
    }
    this.offered = offered;
    this.required = required;
  }

  public Features offered() {
    return offered;
  }

  /** 32 offered bits from bit {@code 32 * select} on; 0 where no feature is defined. */
  public int offeredWord(int select) {
    return offered.word(select);
  }

  /** What the driver wrote at {@code select}; 0 where it cannot write. */
  public int driverWord(int select) {
    return stored(select) ? driver[select] : 0;
  }

  /** The driver writes 32 bits at {@code select}; lost where no feature can be defined. */
  public void writeDriverWord(int select, int value) {
    if (stored(select)) {
      driver[select] = value;
    }
  }

  /**
   * The driver sets FEATURES_OK.
   *
   * @return whether the bit sticks: what the driver wrote was all offered and holds what the device
   *     needs, or is what was agreed before
   */
  public boolean settle() {
    Features wanted = written();
    if (!offered.has(wanted) || !wanted.has(required)) {
      return false;
    }
    if (settled) {
      return wanted.equals(negotiated);
    }
    negotiated = wanted;
    settled = true;
    return true;
  }

  /**
   * A driver of the legacy interface takes {@code features}: it says so without FEATURES_OK, and
   * may say otherwise until it says DRIVER_OK (virtio v1.4, 3.1.2).
   */
  public void settleLegacy(long features) {
    negotiated = Features.of(features);
    settled = true;
  }

  /** Whether something was agreed. */
  public boolean settled() {
    return settled;
  }

  /** The offered bits that the driver asks for: as written last, or as agreed. */
  public Features wanted() {
    return settled ? negotiated : written().among(offered);
  }

  /** The bits that hold; none before FEATURES_OK stuck. */
  public Features negotiated() {
    return negotiated;
  }

  /** Whether every bit of {@code mask} holds. */
  public boolean negotiated(long mask) {
    return negotiated.has(mask);
  }

  /** Forgets what the driver wrote and what was agreed. */
  public void reset() {
    Arrays.fill(driver, 0);
    negotiated = Features.NONE;
    settled = false;
  }

  // The selector is the driver's, unsigned: 0xffffffff is a word far away, not a negative index.
  private static boolean stored(int select) {
    return Integer.compareUnsigned(select, WORDS) < 0;
  }

  /** What the driver wrote, offered or not. */
  private Features written() {
    return new Features(twoWords(0), twoWords(2));
  }

  private long twoWords(int select) {
    return driver[select] & 0xffff_ffffL | (long) driver[select + 1] << 32;
  }
}
