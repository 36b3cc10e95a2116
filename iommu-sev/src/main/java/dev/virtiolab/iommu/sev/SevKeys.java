package dev.virtiolab.iommu.sev;

import java.util.Arrays;
import java.util.random.RandomGenerator;

/**
 * A guest's memory encryption keys: the key of the data and the key of the tweaks, 16 bytes each.
 *
 * <p>A real guest's keys never leave the security processor. Here they can be asked for, so that an
 * observer may show what ciphertext hides.
 */
public final class SevKeys {
  /** Bytes in a key: AES-128. */
  public static final int KEY_BYTES = 16;

  private final byte[] data;
  private final byte[] tweak;

  /**
   * Keys that are given.
   *
   * @throws IllegalArgumentException if one is not {@link #KEY_BYTES} long
   */
  public SevKeys(byte[] data, byte[] tweak) {
    if (data.length != KEY_BYTES || tweak.length != KEY_BYTES) {
      throw new IllegalArgumentException(
          "a key has %d bytes: data=%d tweak=%d".formatted(KEY_BYTES, data.length, tweak.length));
    }
    this.data = data.clone();
    this.tweak = tweak.clone();
  }

  /** Keys drawn from {@code entropy}: a SecureRandom, or a seeded generator for a replay. */
  public static SevKeys generate(RandomGenerator entropy) {
    byte[] data = new byte[KEY_BYTES];
    byte[] tweak = new byte[KEY_BYTES];
    entropy.nextBytes(data);
    entropy.nextBytes(tweak);
    return new SevKeys(data, tweak);
  }

  /** K: a copy of the key of the data. */
  public byte[] data() {
    return data.clone();
  }

  /** K2: a copy of the key of the tweaks. */
  public byte[] tweak() {
    return tweak.clone();
  }

  /** Overwrites both keys. */
  void wipe() {
    Arrays.fill(data, (byte) 0);
    Arrays.fill(tweak, (byte) 0);
  }
}
