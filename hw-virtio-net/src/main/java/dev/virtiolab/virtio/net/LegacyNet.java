package dev.virtiolab.virtio.net;

import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_NOTIFY_ON_EMPTY;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_VERSION_1;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CSUM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_MAC_ADDR;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GSO;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_ECN;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_TSO4;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_TSO6;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_UFO;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MAC;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MRG_RXBUF;

import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.transport.LegacyDevice;

/**
 * A network device for drivers that came before version 1, which are known by not accepting
 * VIRTIO_F_VERSION_1 (virtio v1.4, 2.2.3 "Legacy Interface: A Note on Feature Bits").
 */
final class LegacyNet {
  /** 4.1.2: the Transitional PCI Device ID of a network card. */
  private static final int PCI_DEVICE_ID = 0x1000;

  /** What VIRTIO_NET_F_GSO stands for (5.1.3.2 "Legacy Interface: Feature bits"). */
  private static final long ANY_GSO =
      VIRTIO_NET_F_HOST_TSO4
          | VIRTIO_NET_F_HOST_TSO6
          | VIRTIO_NET_F_HOST_ECN
          | VIRTIO_NET_F_HOST_UFO;

  /** What QEMU assumes of a driver that accepts whatever there is: that of Linux 2.6.25. */
  private static final long ASSUMED =
      VIRTIO_NET_F_MAC
          | VIRTIO_NET_F_CSUM
          | VIRTIO_NET_F_HOST_TSO4
          | VIRTIO_NET_F_HOST_TSO6
          | VIRTIO_NET_F_HOST_ECN;

  private LegacyNet() {}

  /** The device that offers {@code offered} to others. */
  static LegacyDevice of(Features offered) {
    boolean anyGso = offered.has(VIRTIO_NET_F_CSUM | ANY_GSO);
    return new LegacyDevice(
        PCI_DEVICE_ID, VIRTIO_F_NOTIFY_ON_EMPTY | (anyGso ? VIRTIO_NET_F_GSO : 0), ASSUMED);
  }

  /** {@code agreed} in the words of version 1. */
  static Features translated(Features agreed) {
    return agreed.has(VIRTIO_NET_F_GSO) ? agreed.with(ANY_GSO) : agreed;
  }

  /**
   * Whether {@code num_buffers} is in the header before each frame: to a legacy driver, only with
   * merged buffers (5.1.6.1 "Legacy Interface: Device Operation").
   */
  static boolean countsBuffers(Features agreed) {
    return (agreed.low() & (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF)) != 0;
  }

  /**
   * Whether a driver that accepted {@code agreed} may write the address to the configuration
   * (5.1.4.3 "Legacy Interface: Device configuration layout"). Also before it has accepted
   * anything.
   */
  static boolean mayWriteMac(Features agreed) {
    return (agreed.low() & (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_MAC_ADDR)) == 0;
  }
}
