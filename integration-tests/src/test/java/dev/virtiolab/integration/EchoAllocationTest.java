package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.posix.fixture.Allocation;
import java.util.OptionalInt;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A frame costs the Java heap nothing, from the wire through device, rings, driver and stack and
 * back: neither where it comes alone, nor where so many are in flight that the IOMMU driver's
 * reserved slots do not suffice and every Map takes pages of its own.
 */
class EchoAllocationTest {
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final int ROUNDS = 500;
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address PEER = Ipv4Address.parse("192.0.2.1");

  @ParameterizedTest
  @CsvSource({
    "PC, 1, 0",
    "PC, 32, 0",
    "NONCOHERENT, 1, 0",
    "NONCOHERENT, 32, 0",
    "SEV, 1, 0",
    "SEV, 32, 0",
    "VTD, 1, 0",
    "VTD, 32, 0",
    "PC, 32, 9000",
    "NONCOHERENT, 32, 9000",
    "SEV, 32, 9000",
    "VTD, 32, 9000"
  })
  void anEchoAllocatesNothing(PlatformKind platform, int burst, int mtu) {
    int largestFrame = mtu == 0 ? LARGEST_FRAME : 14 + mtu;
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, largestFrame);
    MachineConfig any = MachineConfig.of(platform);
    MachineConfig config =
        new MachineConfig(
            platform,
            any.slot(),
            any.mac(),
            mtu == 0 ? OptionalInt.empty() : OptionalInt.of(mtu),
            any.bounceSlots(),
            any.seed());
    try (Mainboard hardware = new Mainboard(config, wire.left())) {
      SteppedClock clock = new SteppedClock(hardware);
      Firmware firmware = new Firmware(hardware.toBoard(clock), GUEST, BounceSlots.OVMF);
      EchoPeer peer =
          new EchoPeer(wire.right(), config.mac().bits(), PEER, GUEST, mtu == 0 ? 56 : mtu - 28);
      peer.introduce();
      firmware.turn();
      Runnable work = () -> exchange(hardware, firmware, peer, burst);

      // Until the JVM has compiled it all, a slice of memory that lives for a line is an object.
      long allocated = Long.MAX_VALUE;
      for (int attempt = 0; attempt < 20 && allocated >= ROUNDS; attempt++) {
        allocated = Allocation.bytesOf(10, work);
      }

      assertTrue(allocated < ROUNDS, "bytes per echo: " + (double) allocated / ROUNDS / burst);
      assertEquals(0, hardware.nic().counters().breakdowns());
    }
  }

  private static void exchange(Mainboard hardware, Firmware firmware, EchoPeer peer, int burst) {
    for (int round = 0; round < ROUNDS; round++) {
      peer.ask(burst);
      hardware.nic().poll(FRAMES_ON_THE_WIRE);
      firmware.turn();
      hardware.nic().poll(FRAMES_ON_THE_WIRE);
      int replies = peer.replies();
      if (replies != burst) {
        throw new AssertionError("replies: expected=" + burst + " actual=" + replies);
      }
    }
  }
}
