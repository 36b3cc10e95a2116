package dev.virtiolab.virtio.feature;

/**
 * A set of feature bits, 0 to 127 (virtio v1.4, 2.2 "Feature Bits").
 *
 * <p>Nearly all that there are lie below 64, where a set of them is also written as a bare {@code
 * long}: the constants of {@link FeatureBits} are of that type there, and of this one above, so
 * that neither can be taken for the other.
 *
 * @param low bits 0 to 63
 * @param high bits 64 to 127
 */
public record Features(long low, long high) {
  /** The empty set. */
  public static final Features NONE = new Features(0, 0);

  /** The set of {@code low} alone. */
  public static Features of(long low) {
    return new Features(low, 0);
  }

  /** The set of one bit, 0 to 127. */
  public static Features bit(int number) {
    return number < Long.SIZE ? of(1L << number) : new Features(0, 1L << number);
  }

  /** Whether every bit of {@code mask} is in it. */
  public boolean has(long mask) {
    return (low & mask) == mask;
  }

  /** Whether every bit of {@code mask} is in it. */
  public boolean has(Features mask) {
    return has(mask.low) && (high & mask.high) == mask.high;
  }

  public Features with(long more) {
    return new Features(low | more, high);
  }

  public Features with(Features more) {
    return new Features(low | more.low, high | more.high);
  }

  public Features without(long fewer) {
    return new Features(low & ~fewer, high);
  }

  public Features without(Features fewer) {
    return new Features(low & ~fewer.low, high & ~fewer.high);
  }

  /** Those that are in {@code others}, too. */
  public Features among(Features others) {
    return new Features(low & others.low, high & others.high);
  }

  public boolean isEmpty() {
    return (low | high) == 0;
  }

  /** 32 bits from bit {@code 32 * select} on; 0 where no feature is defined. */
  public int word(int select) {
    return switch (select) {
      case 0 -> (int) low;
      case 1 -> (int) (low >>> 32);
      case 2 -> (int) high;
      case 3 -> (int) (high >>> 32);
      default -> 0;
    };
  }

  /** Their names. */
  @Override
  public String toString() {
    return FeatureBits.names(this).toString();
  }
}
