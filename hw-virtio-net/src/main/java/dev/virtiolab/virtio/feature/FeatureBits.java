package dev.virtiolab.virtio.feature;

import java.util.ArrayList;
import java.util.List;

/**
 * Feature bits that this device knows, as masks over bits 0 to 63 (virtio v1.4, 5.1.3 "Feature
 * bits" of the network device, and chapter 6 "Reserved Feature Bits").
 */
public final class FeatureBits {
  /** The driver is told the largest MTU. */
  public static final long VIRTIO_NET_F_MTU = 1L << 3;

  /** The configuration space holds the MAC address. */
  public static final long VIRTIO_NET_F_MAC = 1L << 5;

  /** The configuration space holds the link status. */
  public static final long VIRTIO_NET_F_STATUS = 1L << 16;

  /** A descriptor may refer to a table of descriptors. */
  public static final long VIRTIO_F_INDIRECT_DESC = 1L << 28;

  /** Notifications are suppressed by an index, not by a flag. */
  public static final long VIRTIO_F_EVENT_IDX = 1L << 29;

  /** The device follows the specification and no legacy draft. */
  public static final long VIRTIO_F_VERSION_1 = 1L << 32;

  /** The device's accesses go through the platform's translation; once named IOMMU_PLATFORM. */
  public static final long VIRTIO_F_ACCESS_PLATFORM = 1L << 33;

  /** A single queue can be reset. */
  public static final long VIRTIO_F_RING_RESET = 1L << 40;

  private static final String[] NAMES = new String[Long.SIZE];

  static {
    NAMES[3] = "VIRTIO_NET_F_MTU";
    NAMES[5] = "VIRTIO_NET_F_MAC";
    NAMES[16] = "VIRTIO_NET_F_STATUS";
    NAMES[28] = "VIRTIO_F_INDIRECT_DESC";
    NAMES[29] = "VIRTIO_F_EVENT_IDX";
    NAMES[32] = "VIRTIO_F_VERSION_1";
    NAMES[33] = "VIRTIO_F_ACCESS_PLATFORM";
    NAMES[40] = "VIRTIO_F_RING_RESET";
  }

  private FeatureBits() {}

  /** Whether {@code features} holds every bit of {@code mask}. */
  public static boolean has(long features, long mask) {
    return (features & mask) == mask;
  }

  /** The names of the bits that are set, lowest first; an unknown one as {@code bit N}. */
  public static List<String> names(long features) {
    List<String> names = new ArrayList<>();
    for (long rest = features; rest != 0; rest &= rest - 1) {
      int bit = Long.numberOfTrailingZeros(rest);
      names.add(NAMES[bit] == null ? "bit " + bit : NAMES[bit]);
    }
    return names;
  }
}
