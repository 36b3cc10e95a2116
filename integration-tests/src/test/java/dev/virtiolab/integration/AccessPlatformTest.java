package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.BootException;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.virtio.VirtioPciLayout;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Where something stands between device and memory, the device refuses a driver that does not take
 * VIRTIO_F_ACCESS_PLATFORM (virtio v1.4, 6 "Reserved Feature Bits").
 */
class AccessPlatformTest {
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final int ACKNOWLEDGE_AND_DRIVER = 1 | 2;
  private static final int FEATURES_OK = 8;
  private static final int VERSION_1 = 1;
  private static final int ACCESS_PLATFORM = 1 << 1;

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void featuresAreOkWithoutAccessPlatformOnAPcOnly(PlatformKind platform) {
    assertEquals(platform == PlatformKind.PC, featuresOk(platform, VERSION_1));
  }

  @ParameterizedTest
  @EnumSource(value = PlatformKind.class, mode = EnumSource.Mode.EXCLUDE, names = "PC")
  void featuresAreOkWithAccessPlatform(PlatformKind platform) {
    assertEquals(true, featuresOk(platform, VERSION_1 | ACCESS_PLATFORM));
  }

  /** Where it does not, its DMA would go around what the driver maps, and whatever that guards. */
  @ParameterizedTest
  @EnumSource(value = PlatformKind.class, mode = EnumSource.Mode.EXCLUDE, names = "PC")
  void aGuestRefusesACardThatDoesNotOfferAccessPlatform(PlatformKind platform) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(4, 1514);
    try (Mainboard hardware = new Mainboard(MachineConfig.of(platform), wire.left())) {
      Board board = hardware.toBoard(new SteppedClock(hardware));
      HostileBus bus = new HostileBus(board.bus(), hardware.nicAddress());
      bus.tell(new WithoutAccessPlatform());
      Board told =
          new Board(board.memory(), bus, board.clock(), board.pageAttributes(), board.cache());
      BootException refused =
          assertThrows(BootException.class, () -> new Firmware(told, GUEST, BounceSlots.OVMF));
      assertTrue(
          refused.getMessage().contains("VirtioNetDxe.Start: UNSUPPORTED"), refused.getMessage());
    }
  }

  private static final class WithoutAccessPlatform implements HostileBus.Lie {
    @Override
    public long register(long offset, int width, long honest, Map<Long, Long> written) {
      boolean high =
          written.getOrDefault((long) VirtioPciLayout.COMMON_DEVICE_FEATURE_SELECT, 0L) == 1;
      return offset == VirtioPciLayout.COMMON_DEVICE_FEATURE && high
          ? honest & ~ACCESS_PLATFORM
          : honest;
    }
  }

  /**
   * @param high feature bits 32 to 63 that the driver takes
   */
  private static boolean featuresOk(PlatformKind platform, int high) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(4, 1514);
    try (Mainboard hardware = new Mainboard(MachineConfig.of(platform), wire.left())) {
      HostileBus bus = new HostileBus(hardware.hostBridge(), hardware.nicAddress());
      // A boot places the BARs.
      new Firmware(hardware.toBoard(new SteppedClock(hardware)), GUEST, BounceSlots.OVMF);
      bus.mmioWrite(bus.register(VirtioPciLayout.COMMON_DEVICE_STATUS), 1, 0);
      bus.mmioWrite(bus.register(VirtioPciLayout.COMMON_DEVICE_STATUS), 1, ACKNOWLEDGE_AND_DRIVER);
      bus.mmioWrite(bus.register(VirtioPciLayout.COMMON_DRIVER_FEATURE_SELECT), 4, 1);
      bus.mmioWrite(bus.register(VirtioPciLayout.COMMON_DRIVER_FEATURE), 4, high);
      bus.mmioWrite(
          bus.register(VirtioPciLayout.COMMON_DEVICE_STATUS),
          1,
          ACKNOWLEDGE_AND_DRIVER | FEATURES_OK);
      long status = bus.mmioRead(bus.register(VirtioPciLayout.COMMON_DEVICE_STATUS), 1);
      return (status & FEATURES_OK) != 0;
    }
  }
}
