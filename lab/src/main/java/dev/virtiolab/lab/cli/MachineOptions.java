package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.UnknownPlatformException;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.MachineConfig.Slot;
import dev.virtiolab.virtio.transport.DeviceKind;
import java.util.OptionalInt;
import java.util.OptionalLong;
import picocli.CommandLine.Option;

/** What machine to put together: the options of every command that makes one. */
final class MachineOptions {
  /** What IPv4 asks of every link (RFC 791). */
  static final int MIN_MTU = 68;

  /** The largest that VirtioNetDxe posts receive buffers for. */
  private static final int MAX_MTU = 9216;

  private static final String OVMF_SLOTS = "ovmf";

  static final String MTU_DESCRIPTION =
      "offer VIRTIO_NET_F_MTU with this value, 68 to 9216; the guest's driver takes it, and the"
          + " host's interfaces get it (default: where the wire takes less than 1500, that; else the"
          + " feature is not offered)";

  @Option(
      names = "--platform",
      paramLabel = "pc|vtd|noncoherent|sev",
      defaultValue = "pc",
      description = "what stands between device and memory (default: ${DEFAULT-VALUE})")
  private String platform;

  @Option(
      names = "--slot",
      paramLabel = "root-bus|root-port",
      defaultValue = "root-bus",
      description =
          "where the NIC sits: on the root bus as a conventional function, or behind a PCI Express"
              + " root port (default: ${DEFAULT-VALUE})")
  private String slot;

  @Option(
      names = "--mac",
      paramLabel = "ADDRESS",
      description =
          "the NIC's Ethernet address (default: "
              + MachineConfig.DEFAULT_MAC
              + "; of a guest that pings another, "
              + MachineConfig.SECOND_MAC
              + ")")
  private String mac;

  @Option(names = "--mtu", paramLabel = "BYTES", description = MTU_DESCRIPTION)
  private Integer mtu;

  @Option(
      names = "--virtio",
      paramLabel = VirtioWord.LABEL,
      defaultValue = VirtioWord.DEFAULT,
      description = VirtioWord.DESCRIPTION)
  private String virtio;

  @Option(
      names = "--feature",
      paramLabel = FeatureWords.LABEL,
      parameterConsumer = FeatureWords.Consumer.class,
      description = FeatureWords.DESCRIPTION)
  private String features;

  @Option(
      names = "--bounce-slots",
      paramLabel = BounceSlotsWord.LABEL,
      defaultValue = OVMF_SLOTS,
      description = BounceSlotsWord.DESCRIPTION)
  private String bounceSlots;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "keys and whatever else is drawn by chance follow from this number")
  private Long seed;

  /**
   * @throws LabException if a word or a number is none of those that are known
   */
  MachineConfig toConfig() {
    return toConfig(MachineConfig.DEFAULT_MAC);
  }

  /**
   * Likewise.
   *
   * @param defaultMac unless --mac says otherwise
   */
  MachineConfig toConfig(String defaultMac) {
    MachineConfig config =
        new MachineConfig(
                platform(),
                slot(slot),
                mac(mac == null ? defaultMac : mac),
                mtu(mtu),
                BounceSlotsWord.parse(bounceSlots),
                seed == null ? OptionalLong.empty() : OptionalLong.of(seed))
            .withNicFeatures(FeatureWords.parse(features));
    return config.withNicKind(kind(config));
  }

  private DeviceKind kind(MachineConfig config) {
    DeviceKind kind = VirtioWord.parse(virtio);
    if (kind.isLegacy() && config.platform() != PlatformKind.PC) {
      throw LabException.usage(
          "--virtio %s needs --platform pc: a legacy interface cannot say VIRTIO_F_ACCESS_PLATFORM"
              .formatted(kind.word()));
    }
    if (kind.isLegacy() && config.slot() != Slot.ROOT_BUS) {
      throw LabException.usage(
          "--virtio %s needs --slot root-bus: a root port forwards no I/O ports"
              .formatted(kind.word()));
    }
    return kind;
  }

  /**
   * Refuses what is said of a device or a platform of the lab's own.
   *
   * @throws LabException if something is
   */
  void refuseForQemu() {
    if (platform() != PlatformKind.PC) {
      throw LabException.usage(
          "--platform " + platform + ": QEMU's device is on QEMU's machine, which is a pc");
    }
    if (features != null) {
      throw LabException.usage("--feature is of the device java; QEMU's offers what QEMU has");
    }
    if (!bounceSlots.equals(OVMF_SLOTS)) {
      throw LabException.usage(
          "--bounce-slots is of encrypted memory, which QEMU's machine has not");
    }
  }

  private PlatformKind platform() {
    try {
      return PlatformKind.parse(platform);
    } catch (UnknownPlatformException e) {
      throw LabException.usage("--platform: " + e.getMessage(), e);
    }
  }

  /**
   * Reads {@code --slot}.
   *
   * @throws LabException if there is no such place
   */
  static Slot slot(String slot) {
    for (Slot known : Slot.values()) {
      if (known.word().equals(slot)) {
        return known;
      }
    }
    throw LabException.usage("--slot is root-bus or root-port, not " + slot);
  }

  /**
   * Reads {@code --mac}.
   *
   * @throws LabException if it does not name one station
   */
  static MacAddress mac(String mac) {
    MacAddress address;
    try {
      address = MacAddress.parse(mac);
    } catch (IllegalArgumentException e) {
      throw LabException.usage("--mac: " + e.getMessage(), e);
    }
    if (address.isMulticast() || address.bits() == 0) {
      throw LabException.usage("--mac " + mac + " does not name one station");
    }
    return address;
  }

  /**
   * Reads {@code --mtu}, null where it is not given.
   *
   * @throws LabException if it is out of its range
   */
  static OptionalInt mtu(Integer mtu) {
    if (mtu == null) {
      return OptionalInt.empty();
    }
    if (mtu < MIN_MTU || mtu > MAX_MTU) {
      throw LabException.usage("--mtu is from " + MIN_MTU + " to " + MAX_MTU + ", not " + mtu);
    }
    return OptionalInt.of(mtu);
  }
}
