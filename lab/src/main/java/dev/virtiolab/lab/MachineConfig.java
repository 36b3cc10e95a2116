package dev.virtiolab.lab;

import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.net.NetFeatures;
import dev.virtiolab.virtio.transport.DeviceKind;
import java.security.SecureRandom;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * What machine to put together.
 *
 * @param platform what stands between device and memory
 * @param slot where the first NIC is plugged in
 * @param mac the first NIC's Ethernet address
 * @param mtu what VIRTIO_NET_F_MTU offers, in bytes; empty: what the wire takes, if that is less
 *     than 1500, else the feature is not offered
 * @param bounceSlots the IOMMU driver's reserved shared slots
 * @param seed where keys and other chance come from; empty: from the system
 * @param lowRamBytes RAM below 4 GiB, from {@link #LEAST_LOW_RAM_BYTES} on
 * @param highRamBytes RAM above 4 GiB; may be 0
 * @param nicFeatures what the NIC offers, of {@link NetFeatures#KNOWN}, beside what follows from
 *     the rest
 * @param nicKind which interfaces the NICs have; a legacy one on the root bus of a {@code pc} only
 */
public record MachineConfig(
    PlatformKind platform,
    Slot slot,
    MacAddress mac,
    OptionalInt mtu,
    BounceSlots bounceSlots,
    OptionalLong seed,
    long lowRamBytes,
    long highRamBytes,
    Features nicFeatures,
    DeviceKind nicKind) {

  /** The firmware begins in it, and needs some beside. */
  public static final long LEAST_LOW_RAM_BYTES = 16L << 20;

  private static final long USUAL_RAM_BYTES = 128L << 20;

  /** Of a guest, unless another is asked for. */
  public static final String DEFAULT_MAC = "52:54:00:12:34:56";

  /** Likewise of a guest that comes to another on one wire. */
  public static final String SECOND_MAC = "52:54:00:12:34:57";

  /**
   * @throws IllegalArgumentException if there is too little RAM below 4 GiB, or a legacy interface
   *     where none can be
   */
  public MachineConfig {
    if (lowRamBytes < LEAST_LOW_RAM_BYTES) {
      throw new IllegalArgumentException(
          "a machine has %d bytes of RAM below 4 GiB at least, not %d"
              .formatted(LEAST_LOW_RAM_BYTES, lowRamBytes));
    }
    if (nicKind.isLegacy() && (platform != PlatformKind.PC || slot != Slot.ROOT_BUS)) {
      throw new IllegalArgumentException(
          "no legacy interface on %s in slot %s".formatted(platform, slot));
    }
  }

  /** A machine with 128 MiB of RAM below 4 GiB, and as much above. */
  public MachineConfig(
      PlatformKind platform,
      Slot slot,
      MacAddress mac,
      OptionalInt mtu,
      BounceSlots bounceSlots,
      OptionalLong seed) {
    this(
        platform,
        slot,
        mac,
        mtu,
        bounceSlots,
        seed,
        USUAL_RAM_BYTES,
        USUAL_RAM_BYTES,
        NetFeatures.USUAL,
        DeviceKind.MODERN);
  }

  /**
   * The same machine with so much RAM. Little makes a board quicker to build, where the platform
   * keeps books on every page.
   *
   * @throws IllegalArgumentException as the constructor does
   */
  public MachineConfig withRam(long lowBytes, long highBytes) {
    return new MachineConfig(
        platform, slot, mac, mtu, bounceSlots, seed, lowBytes, highBytes, nicFeatures, nicKind);
  }

  /** The same machine with a NIC that offers other features. */
  public MachineConfig withNicFeatures(Features features) {
    return new MachineConfig(
        platform, slot, mac, mtu, bounceSlots, seed, lowRamBytes, highRamBytes, features, nicKind);
  }

  /**
   * The same machine with NICs of another kind.
   *
   * @throws IllegalArgumentException as the constructor does
   */
  public MachineConfig withNicKind(DeviceKind kind) {
    return new MachineConfig(
        platform, slot, mac, mtu, bounceSlots, seed, lowRamBytes, highRamBytes, nicFeatures, kind);
  }

  /** As {@code vlab} makes it without options, on {@code platform}. */
  public static MachineConfig of(PlatformKind platform) {
    return new MachineConfig(
        platform,
        Slot.ROOT_BUS,
        MacAddress.parse(DEFAULT_MAC),
        OptionalInt.empty(),
        BounceSlots.OVMF,
        OptionalLong.empty());
  }

  /**
   * The plainest machine that can share a wire with this one: without options but for the wire's
   * MTU and the seed, and with an Ethernet address of its own.
   */
  public MachineConfig neighbour() {
    MacAddress second = MacAddress.parse(SECOND_MAC);
    return new MachineConfig(
        PlatformKind.PC,
        Slot.ROOT_BUS,
        mac.equals(second) ? MacAddress.parse(DEFAULT_MAC) : second,
        mtu,
        BounceSlots.OVMF,
        seed);
  }

  /**
   * The Ethernet address of NIC {@code number}: {@link #mac()}, its last octet counted on, modulo
   * 256. All others stay, the bit that would name a group among them.
   *
   * @param number 0 is the first
   */
  public MacAddress mac(int number) {
    long last = mac.bits() + number & 0xff;
    return new MacAddress(mac.bits() & ~0xffL | last);
  }

  /** Where keys and other chance come from: the same for the same seed. */
  public RandomGenerator entropy() {
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
