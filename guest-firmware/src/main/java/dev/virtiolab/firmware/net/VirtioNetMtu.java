package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.net.VirtioNetLayout.CONFIG_MTU;
import static dev.virtiolab.firmware.net.VirtioNetLayout.CONFIG_MTU_SIZE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.F_MTU;
import static dev.virtiolab.firmware.net.VirtioNetLayout.MEDIA_HEADER_SIZE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.VLAN_TAG_SIZE;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.VirtioDevice;

/**
 * The largest packet, and what follows from it: virtio v1.4, 5.1.4.1 and 5.1.4.2, VIRTIO_NET_F_MTU.
 *
 * <pre>
 *   frame     | destination 6 | source 6 |  type 2 | packet, up to mtu                |
 *   tagged    | destination 6 | source 6 | 8100 tci 2 | type 2 | packet, up to mtu    |
 *             |<----------- 14 or, with one VLAN tag, 18 ------->|
 *
 *   the device offers     F_MTU is    the largest packet is
 *     no F_MTU              -           1500, as Ethernet's
 *     mtu 0 to 67           declined    1500; a device must not (5.1.4.1), it is counted
 *     mtu 68 to 9216        accepted    mtu
 *     mtu 9217 to 65535     declined    9216
 * </pre>
 *
 * <p>A driver that accepts must have buffers for packets of the whole mtu, hence declines what it
 * has none for: it then is bound by nothing but the buffers that it posts, and a longer frame does
 * not fit any.
 *
 * <p>The device's word is read once in each negotiation, checked, and takes effect with {@link
 * #adopt}; a negotiation that cannot change the buffers any more asks {@link #isKept}.
 */
final class VirtioNetMtu {
  /** The smallest that a device may present, and that IPv4 can use (RFC 791). */
  static final int MIN = 68;

  /**
   * The largest that this driver posts buffers for: 9 KiB, what switches call jumbo, so 9000 and
   * what a tunnel adds to it. 64 buffers of it are 145 pages; with the header page that an IOMMU
   * driver may want they fit a reserved slot of 1 MiB.
   */
  static final int MAX = 9216;

  /** Without a word of the device: IEEE 802.3. */
  static final int ETHERNET = 1500;

  private final VirtioDevice virtIo;
  private final SnpCounters counters;
  private final LongRef word = new LongRef();

  private int offered = ETHERNET;
  private long offeredFeature;
  private int bytes = ETHERNET;

  VirtioNetMtu(VirtioDevice virtIo, SnpCounters counters) {
    this.virtIo = virtIo;
    this.counters = counters;
  }

  /**
   * Reads what the device offers, if it does; for a device that waits for the driver's features.
   *
   * @param features as the device offers them
   * @return what ReadDevice returns
   */
  EfiStatus read(long features) {
    offered = ETHERNET;
    offeredFeature = 0;
    if ((features & F_MTU) == 0) {
      return EfiStatus.SUCCESS;
    }
    // 16 bits in one access cannot tear, so the generation need not be looked at.
    EfiStatus status = virtIo.readDevice(CONFIG_MTU, CONFIG_MTU_SIZE, word);
    if (status.isError()) {
      return status;
    }
    int mtu = (int) word.value & 0xffff;
    if (mtu < MIN) {
      counters.increment(SnpCounter.LIE_MTU);
    } else if (mtu > MAX) {
      offered = MAX;
    } else {
      offered = mtu;
      offeredFeature = F_MTU;
    }
    return EfiStatus.SUCCESS;
  }

  /** F_MTU, if what was read is to be accepted; else 0. */
  long feature() {
    return offeredFeature;
  }

  /** From now on what was read is what counts. */
  void adopt() {
    bytes = offered;
  }

  /** Whether what was read is what counts already. */
  boolean isKept() {
    return bytes == offered;
  }

  /** The largest packet in bytes, from {@link #MIN} to {@link #MAX}. */
  int bytes() {
    return bytes;
  }

  /** Bytes of the longest frame without a tag. */
  int longestFrame() {
    return MEDIA_HEADER_SIZE + bytes;
  }

  /** Bytes of the longest frame that has one. */
  int longestTagged() {
    return longestFrame() + VLAN_TAG_SIZE;
  }
}
