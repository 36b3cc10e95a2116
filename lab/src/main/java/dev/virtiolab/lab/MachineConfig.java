package dev.virtiolab.lab;

import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import java.security.SecureRandom;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * What machine to put together.
 *
 * @param platform what stands between device and memory
 * @param slot where the NIC is plugged in
 * @param mac the NIC's Ethernet address
 * @param mtu what VIRTIO_NET_F_MTU offers, in bytes; empty: the feature is not offered
 * @param bounceSlots the IOMMU driver's reserved shared slots
 * @param seed where keys and other chance come from; empty: from the system
 */
public record MachineConfig(
    PlatformKind platform,
    Slot slot,
    MacAddress mac,
    OptionalInt mtu,
    BounceSlots bounceSlots,
    OptionalLong seed) {

  private static final MacAddress DEFAULT_MAC = MacAddress.parse("52:54:00:12:34:56");

  /** As {@code vlab} makes it without options, on {@code platform}. */
  public static MachineConfig of(PlatformKind platform) {
    return new MachineConfig(
        platform,
        Slot.ROOT_BUS,
        DEFAULT_MAC,
        OptionalInt.empty(),
        BounceSlots.OVMF,
        OptionalLong.empty());
  }

  /** Where keys and other chance come from: the same for the same seed. */
  RandomGenerator entropy() {
    return seed.isPresent() ? new SplittableRandom(seed.getAsLong()) : new SecureRandom();
  }

  /** Where a NIC can be plugged in. */
  public enum Slot {
    /** 00:04.0, a conventional PCI function. */
    ROOT_BUS("root-bus"),
    /** 01:00.0, a PCI Express function behind the root port 00:1c.0. */
    ROOT_PORT("root-port");

    private final String word;

    Slot(String word) {
      this.word = word;
    }

    /** As on the command line. */
    public String word() {
      return word;
    }
  }
}
