package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A peer that asks and does not listen: wire, queue and the guest's buffers fill up. The guest lets
 * time pass then, in which alone a stepped device moves, and loses nothing.
 */
class BackPressureTest {
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address PEER = Ipv4Address.parse("192.0.2.1");
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final int TURNS = 50;

  @ParameterizedTest
  @EnumSource(
      value = PlatformKind.class,
      names = {"PC", "SEV", "VTD"})
  void aGuestThatCannotSendWaitsAndLosesNothing(PlatformKind platform) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
    MachineConfig config = MachineConfig.of(platform);
    try (Mainboard hardware = new Mainboard(config, wire.left())) {
      SteppedClock clock = new SteppedClock(hardware);
      Firmware firmware = new Firmware(hardware.toBoard(clock), GUEST, BounceSlots.OVMF);
      EchoPeer peer = new EchoPeer(wire.right(), config.mac().bits(), PEER, GUEST, 56);
      peer.introduce();
      firmware.turn();
      int asked = 0;
      for (int i = 0; i < TURNS; i++) {
        asked += peer.ask(FRAMES_ON_THE_WIRE);
        hardware.nic().poll(FRAMES_ON_THE_WIRE);
        firmware.turn();
      }
      assertTrue(firmware.stack().counters().value(StackCounter.BACK_PRESSURE) > 0);

      long before = clock.nanos();
      firmware.turn();
      assertTrue(clock.nanos() > before, "time stands still");

      int replies = 0;
      for (int i = 0; i < TURNS; i++) {
        replies += peer.replies();
        firmware.turn();
      }
      assertEquals(asked, replies);
    }
  }
}
