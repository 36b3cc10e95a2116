package dev.virtiolab.firmware.virtio;

/** Feature bits of any device: virtio v1.4, 6 "Reserved Feature Bits". */
public final class VirtioFeatures {
  public static final long VERSION_1 = 1L << 32;

  /** The device goes through the platform's translation; once called IOMMU_PLATFORM. */
  public static final long ACCESS_PLATFORM = 1L << 33;

  private VirtioFeatures() {}
}
