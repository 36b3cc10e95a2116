package dev.virtiolab.iommu.sev.launch;

import java.security.MessageDigest;

/** Who wants a guest launched elsewhere and trusts only the measurement of it. */
public final class GuestOwner {
  private final SevApi api;
  private final LaunchSession session;
  private final byte[] digest;

  /**
   * An owner.
   *
   * @param api the security processor's version, which the owner requires
   * @param session what the owner gave into the launch
   * @param image what the guest must have been launched from
   */
  public GuestOwner(SevApi api, LaunchSession session, LaunchImage image) {
    this.api = api;
    this.session = session;
    MessageDigest expected = Launch.sha256();
    for (LaunchImage.Block block : image.blocks()) {
      expected.update(block.bytes());
    }
    digest = expected.digest();
  }

  /** Whether {@code measurement} vouches for exactly this owner's image under its session. */
  public boolean accepts(LaunchMeasurement measurement) {
    return LaunchMeasurement.of(api, session, digest, measurement.nonce()).matches(measurement);
  }
}
