package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.net.LoopbackBackend;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Two machines in this process, joined by a wire in memory: no privilege is needed. */
class TwoGuestsTest {
  private static final Ipv4Address NEAR = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address FAR = Ipv4Address.parse("192.0.2.3");
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;

  @ParameterizedTest
  @CsvSource({"PC, PC", "PC, SEV", "SEV, SEV", "VTD, PC", "VTD, VTD"})
  void oneAnswersTheOther(PlatformKind near, PlatformKind far) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
    try (Machine here = Machine.start(MachineConfig.of(near), wire.left(), NEAR);
        Machine there = Machine.start(MachineConfig.of(far), wire.right(), FAR)) {
      assertEquals(100, GuestPings.repliesTo(here, FAR, 100, 56));
      assertEquals(10, GuestPings.repliesTo(here, FAR, 10, 65_507));

      assertEquals(here.report().frames().fromGuest(), there.report().frames().toGuest());
      assertEquals(there.report().frames().fromGuest(), here.report().frames().toGuest());
    }
  }

  @ParameterizedTest
  @EnumSource
  void afterExitBootServicesTheDeviceIsResetAndNothingIsShared(PlatformKind platform) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
    try (Machine here = Machine.start(MachineConfig.of(platform), wire.left(), NEAR);
        Machine there = Machine.start(MachineConfig.of(PlatformKind.PC), wire.right(), FAR)) {
      assertEquals(1, GuestPings.repliesTo(here, FAR, 1, 56));

      assertEquals(EfiStatus.SUCCESS, here.exitBootServices());

      TrafficReport after = here.report();
      assertEquals(0, here.board().nicFunction().deviceStatus());
      assertEquals(0, after.pages().shared(), after::toString);
      // On vtd nobody unmaps: translation is switched off, and the rings and buffers are left.
      int open = platform == PlatformKind.VTD ? 3 : 0;
      assertEquals(open, after.dma().open(), after::toString);
      assertTrue(there.report().frames().fromGuest() > 0);
    }
  }
}
