package dev.virtiolab.iommu.sev.launch;

/**
 * The version of the security processor's firmware, as it goes into a measurement.
 *
 * @param major API_MAJOR, 0 to 255
 * @param minor API_MINOR, 0 to 255
 * @param build BUILD_ID, 0 to 255
 */
public record SevApi(int major, int minor, int build) {
  /** The version of the specification that this package follows. */
  public static final SevApi CURRENT = new SevApi(0, 24, 0);

  public SevApi {
    if ((major & 0xff) != major || (minor & 0xff) != minor || (build & 0xff) != build) {
      throw new IllegalArgumentException(
          "each is one byte: major=%d minor=%d build=%d".formatted(major, minor, build));
    }
  }
}
