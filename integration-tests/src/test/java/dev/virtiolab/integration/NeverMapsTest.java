package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ping;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.virtio.net.NetCounters;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * A guest whose drivers map nothing: the same firmware, told nothing of encryption, so that no
 * IOMMU protocol is installed and a device address is just the host address. It works on a PC and
 * fails visibly where memory is encrypted.
 *
 * <p>Stepped: guest and device take turns on this thread, and each pause of the guest's is a turn
 * of the device.
 */
class NeverMapsTest {
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address NOBODY = Ipv4Address.parse("192.0.2.1");

  @Test
  void worksOnAPc() {
    Outcome outcome = run(PlatformKind.PC);

    assertTrue(outcome.framesOnTheWire > 0, outcome::toString);
    assertEquals(0, outcome.breakdowns, outcome::toString);
  }

  @Test
  void underSevTheDeviceReadsCiphertextAndSaysSo() {
    Outcome outcome = run(PlatformKind.SEV);

    assertEquals(0, outcome.framesOnTheWire, outcome::toString);
    assertEquals(1, outcome.breakdowns, outcome::toString);
  }

  /**
   * @param breakdowns times that the device set DEVICE_NEEDS_RESET
   */
  private record Outcome(long framesOnTheWire, long breakdowns) {}

  /** Boots, and lets the guest ask for somebody's address. */
  private static Outcome run(PlatformKind platform) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
    try (Mainboard hardware = new Mainboard(MachineConfig.of(platform), wire.left())) {
      SteppedClock clock = new SteppedClock(hardware);
      Board blind =
          new Board(
              hardware.platform().cpuMemory(), hardware.hostBridge(), clock, Optional.empty());
      Firmware firmware = new Firmware(blind, GUEST, BounceSlots.OVMF);
      try (Ping ping = firmware.stack().ping(NOBODY, 56)) {
        ping.send(TimeUnit.SECONDS.toNanos(1));
        while (ping.state() == Ping.State.WAITING) {
          firmware.turn();
        }
      }
      NetCounters counters = hardware.nic().counters();
      return new Outcome(counters.framesSent(), counters.breakdowns());
    }
  }
}
