package dev.virtiolab.testkit;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.MachineConfig.Slot;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/**
 * What guest to start. Begin with {@link #named}, and change what matters:
 *
 * <pre>{@code
 * GuestSpec.named("alice").address("192.0.2.1").platform(PlatformKind.SEV).mtu(1280)
 * }</pre>
 *
 * @param name as tests, messages and files call it: letters, digits, {@code -} and {@code _}
 * @param address what the guest answers to; empty: 192.0.2.1 for the first guest of a lab,
 *     192.0.2.2 for the second, and so on (RFC 5737)
 * @param platform what stands between device and memory
 * @param slot where the NIC is plugged in
 * @param mac the NIC's Ethernet address; empty: 52:54:00 and the last three octets of the address
 * @param mtu what VIRTIO_NET_F_MTU offers, in bytes; empty: what the wire asks for
 * @param wiring what the NIC is plugged into
 * @param captureBytes memory for the frames that crossed last
 */
public record GuestSpec(
    String name,
    Optional<Ipv4Address> address,
    PlatformKind platform,
    Slot slot,
    Optional<MacAddress> mac,
    OptionalInt mtu,
    Wiring wiring,
    int captureBytes) {

  /** Memory for a capture, unless it is said otherwise: some thousand full frames. */
  public static final int DEFAULT_CAPTURE_BYTES = 4 << 20;

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-]{1,40}");

  /**
   * @throws IllegalArgumentException if the name is none, or the address no host's
   */
  public GuestSpec {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "a guest's name has 1 to 40 letters, digits, - and _, unlike \"" + name + "\"");
    }
    address.ifPresent(
        given -> {
          if (!given.isHost()) {
            throw new IllegalArgumentException(given + " is no host's address");
          }
        });
    Objects.requireNonNull(platform);
    Objects.requireNonNull(slot);
    Objects.requireNonNull(wiring);
  }

  /** A guest on the lab's own wire, of platform {@code pc}. */
  public static GuestSpec named(String name) {
    return new GuestSpec(
        name,
        Optional.empty(),
        PlatformKind.PC,
        Slot.ROOT_BUS,
        Optional.empty(),
        OptionalInt.empty(),
        Wiring.lan(),
        DEFAULT_CAPTURE_BYTES);
  }

  /**
   * The address that the guest answers to, such as {@code 192.0.2.7}.
   *
   * @throws IllegalArgumentException if it is none, or no host's
   */
  public GuestSpec address(String dotted) {
    return address(Ipv4Address.parse(dotted));
  }

  /** Likewise. */
  public GuestSpec address(Ipv4Address host) {
    return new GuestSpec(name, Optional.of(host), platform, slot, mac, mtu, wiring, captureBytes);
  }

  /** What stands between the device and memory. */
  public GuestSpec platform(PlatformKind kind) {
    return new GuestSpec(name, address, kind, slot, mac, mtu, wiring, captureBytes);
  }

  /** Where the NIC is plugged in. */
  public GuestSpec slot(Slot place) {
    return new GuestSpec(name, address, platform, place, mac, mtu, wiring, captureBytes);
  }

  /**
   * The NIC's Ethernet address, such as {@code 52:54:00:12:34:56}.
   *
   * @throws IllegalArgumentException if it is none
   */
  public GuestSpec mac(String text) {
    return new GuestSpec(
        name,
        address,
        platform,
        slot,
        Optional.of(MacAddress.parse(text)),
        mtu,
        wiring,
        captureBytes);
  }

  /** What the device offers as VIRTIO_NET_F_MTU, 68 to 65535 bytes. */
  public GuestSpec mtu(int bytes) {
    return new GuestSpec(
        name, address, platform, slot, mac, OptionalInt.of(bytes), wiring, captureBytes);
  }

  /** What the NIC is plugged into. */
  public GuestSpec wiredTo(Wiring end) {
    return new GuestSpec(name, address, platform, slot, mac, mtu, end, captureBytes);
  }

  /** Keeps so many bytes of what crossed last; 4096 at least. */
  public GuestSpec capturing(int bytes) {
    return new GuestSpec(name, address, platform, slot, mac, mtu, wiring, bytes);
  }

  /** The same with an address in any case. */
  GuestSpec withDefaultAddress(int number) {
    return address.isPresent() ? this : address("192.0.2." + number);
  }

  /** The Ethernet address that it has. */
  MacAddress effectiveMac() {
    return mac.orElseGet(
        () -> new MacAddress(0x5254_0000_0000L | address.orElseThrow().bits() & 0xff_ffffL));
  }

  MachineConfig toMachine(long seed) {
    MachineConfig usual = MachineConfig.of(platform);
    return new MachineConfig(
        platform, slot, effectiveMac(), mtu, usual.bounceSlots(), OptionalLong.of(seed));
  }
}
