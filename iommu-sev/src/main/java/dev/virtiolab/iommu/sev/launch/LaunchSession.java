package dev.virtiolab.iommu.sev.launch;

import java.util.random.RandomGenerator;

/**
 * What a guest's owner gives into a launch: the transport integrity key and the policy.
 *
 * @param transportIntegrityKey TIK, 16 bytes; who has it can forge a measurement
 * @param policy the guest policy's 32 bits (SEV API, chapter 3 "Guest Policy")
 */
public record LaunchSession(byte[] transportIntegrityKey, int policy) {
  /** Bytes in a TIK. */
  public static final int KEY_BYTES = 16;

  /** Policy bit 0, NODBG: the host may not read the guest's memory through the debug commands. */
  public static final int NO_DEBUG = 1;

  /** Policy bit 1, NOKS: no other guest may share the key. */
  public static final int NO_KEY_SHARING = 1 << 1;

  public LaunchSession {
    if (transportIntegrityKey.length != KEY_BYTES) {
      throw new IllegalArgumentException(
          "a TIK has %d bytes, not %d".formatted(KEY_BYTES, transportIntegrityKey.length));
    }
    transportIntegrityKey = transportIntegrityKey.clone();
  }

  /** A session with a fresh key, for a guest that nobody may debug or share a key with. */
  public static LaunchSession generate(RandomGenerator entropy) {
    byte[] key = new byte[KEY_BYTES];
    entropy.nextBytes(key);
    return new LaunchSession(key, NO_DEBUG | NO_KEY_SHARING);
  }

  /** A copy. */
  @Override
  public byte[] transportIntegrityKey() {
    return transportIntegrityKey.clone();
  }
}
