package dev.virtiolab.iommu.sev.launch;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.sev.SevPlatform;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.random.RandomGenerator;

/**
 * A launch under way: the security processor's side of it. Commands out of their order throw {@link
 * IllegalStateException}.
 */
public final class Launch {
  private final SevPlatform platform;
  private final SevApi api;
  private final LaunchSession session;
  private final MessageDigest digest;
  private LaunchState state = LaunchState.UPDATE;

  private Launch(SevPlatform platform, SevApi api, LaunchSession session) {
    this.platform = platform;
    this.api = api;
    this.session = session;
    digest = sha256();
  }

  /** LAUNCH_START: a launch of the guest on {@code platform}, with nothing loaded. */
  public static Launch start(SevPlatform platform, SevApi api, LaunchSession session) {
    return new Launch(platform, api, session);
  }

  /**
   * LAUNCH_UPDATE_DATA: encrypts {@code plaintext} into the guest's private memory and extends the
   * digest by it.
   *
   * @param address guest-physical, a multiple of 16, of private memory
   * @param plaintext a multiple of 16 bytes
   */
  public void updateData(long address, byte[] plaintext) {
    require(LaunchState.UPDATE);
    int alignment = LaunchImage.ALIGNMENT;
    if (address % alignment != 0 || plaintext.length % alignment != 0) {
      throw new IllegalArgumentException(
          "not multiples of %d: address=0x%x length=%d"
              .formatted(alignment, address, plaintext.length));
    }
    requirePrivate(address, plaintext.length);
    // The CPU's view of a private page is the same cipher at the same place.
    platform.cpuMemory().write(address, MemorySegment.ofArray(plaintext), 0, plaintext.length);
    digest.update(plaintext);
  }

  /** LAUNCH_UPDATE_DATA for every block of {@code image}, in order. */
  public void load(LaunchImage image) {
    for (LaunchImage.Block block : image.blocks()) {
      updateData(block.address(), block.bytes());
    }
  }

  /**
   * LAUNCH_MEASURE: what was loaded, vouched for under the session's key. Nothing can be loaded
   * afterwards.
   *
   * @param entropy where the nonce comes from
   */
  public LaunchMeasurement measure(RandomGenerator entropy) {
    require(LaunchState.UPDATE);
    byte[] nonce = new byte[LaunchMeasurement.NONCE_BYTES];
    entropy.nextBytes(nonce);
    state = LaunchState.MEASURED;
    return LaunchMeasurement.of(api, session, digest.digest(), nonce);
  }

  /** LAUNCH_FINISH: the guest may run. */
  public void finish() {
    require(LaunchState.MEASURED);
    state = LaunchState.RUNNING;
  }

  public LaunchState state() {
    return state;
  }

  private void require(LaunchState expected) {
    if (state != expected) {
      throw new IllegalStateException("launch state=%s, not %s".formatted(state, expected));
    }
  }

  private void requirePrivate(long address, long length) {
    PageAttributes attributes = platform.pageAttributes().orElseThrow();
    for (long at = address; at < address + length; at += LaunchImage.ALIGNMENT) {
      if (attributes.isShared(at)) {
        throw new IllegalStateException(
            "shared memory cannot be launched: address=0x%x".formatted(at));
      }
    }
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
