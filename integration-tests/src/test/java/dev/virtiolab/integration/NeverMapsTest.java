package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOffLayout;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ping;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.vtd.VtdLayout;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.net.NetCounters;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * A guest whose drivers map nothing: the same firmware, told nothing of encryption and caches, so
 * that no IOMMU protocol is installed and a device address is just the host address. It works on a
 * PC and fails visibly elsewhere, on each platform in its own way.
 *
 * <p>Stepped: guest and device take turns on this thread, and each pause of the guest's is a turn
 * of the device.
 */
class NeverMapsTest {
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;

  /** Where pages are handed out last, and all is zeros. */
  private static final long NOBODYS_PAGE = 0x1000;

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

  @Test
  void whereBusAddressesAreNotTheCpusTheDeviceFindsNoMemoryAndSaysSo() {
    Outcome outcome = run(PlatformKind.NONCOHERENT);

    assertEquals(0, outcome.framesOnTheWire, outcome::toString);
    assertEquals(1, outcome.breakdowns, outcome::toString);
    assertEquals(Set.of(DmaFault.NO_MEMORY), outcome.faults, outcome::toString);
  }

  @Test
  void behindARemappingUnitTheDeviceReachesNothingAndSaysSo() {
    Outcome outcome = run(PlatformKind.VTD);

    assertEquals(0, outcome.framesOnTheWire, outcome::toString);
    assertEquals(1, outcome.breakdowns, outcome::toString);
    assertEquals(Set.of(DmaFault.NOT_MAPPED), outcome.faults, outcome::toString);
  }

  /**
   * Switches translation on with a root table of zeros, as edk2's IntelVTdDmarPei does before its
   * DXE drivers run, and takes the unit out of the hand-off: the firmware does not know of it.
   */
  private static void denyAll(Mainboard hardware) {
    CpuMemory memory = hardware.platform().cpuMemory();
    HandOff said = HandOff.read(memory, HandOffLayout.ADDRESS);
    long unit = said.remapping().orElseThrow().base();
    HandOff unsaid =
        new HandOff(said.ram(), said.firmware(), said.ecam(), said.mmio32(), said.mmio64());
    byte[] bytes = new byte[(int) unsaid.pages().length()];
    unsaid.write(MemorySegment.ofArray(bytes));
    memory.write(HandOffLayout.ADDRESS, MemorySegment.ofArray(bytes), 0, bytes.length);
    hardware.hostBridge().mmioWrite(unit + VtdLayout.RTADDR, 8, NOBODYS_PAGE);
    hardware
        .hostBridge()
        .mmioWrite(
            unit + VtdLayout.GCMD,
            4,
            VtdLayout.SET_ROOT_TABLE_POINTER | VtdLayout.TRANSLATION_ENABLE & 0xffff_ffffL);
  }

  /**
   * @param breakdowns times that the device set DEVICE_NEEDS_RESET
   * @param faults why accesses of the device's were refused
   */
  private record Outcome(long framesOnTheWire, long breakdowns, Set<DmaFault> faults) {}

  /** Boots, and lets the guest ask for somebody's address. */
  private static Outcome run(PlatformKind platform) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
    try (Mainboard hardware = new Mainboard(MachineConfig.of(platform), wire.left())) {
      Set<DmaFault> faults = EnumSet.noneOf(DmaFault.class);
      hardware
          .platform()
          .observe(
              new PlatformObserver() {
                @Override
                public void faulted(
                    int requesterId, long address, DmaAccess access, DmaFault reason) {
                  faults.add(reason);
                }
              });
      if (platform == PlatformKind.VTD) {
        denyAll(hardware);
      }
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
      return new Outcome(counters.framesSent(), counters.breakdowns(), faults);
    }
  }
}
