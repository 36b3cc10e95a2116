package dev.virtiolab.lab.qemu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOff.Range;
import dev.virtiolab.firmware.handoff.HandOffLayout;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.HostClock;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.NetBackend;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the firmware is told of QEMU's machine. */
class QemuBoardTest {
  private static final MachineConfig CONFIG = MachineConfig.of(PlatformKind.PC);
  private static final long MIB = 1 << 20;

  /** From A_0000h to F_FFFFh a q35 has video memory and ROMs before its RAM. */
  @Test
  void ramBelowOneMibHasAHole() {
    assertEquals(
        List.of(
            new Range(0, 0xa_0000),
            new Range(MIB, 127 * MIB),
            new Range(0x1_0000_0000L, 128 * MIB)),
        handOff(CONFIG).ram());
    assertEquals(
        List.of(new Range(0, 0xa_0000), new Range(MIB, 31 * MIB)),
        handOff(CONFIG.withRam(32 * MIB, 0)).ram());
  }

  @Test
  void everythingElseIsWhereTheLabsOwnBoardHasIt() {
    HandOff qemus = handOff(CONFIG);
    try (NetBackend wire = BackendSpec.parse("sink").open();
        Mainboard board = new Mainboard(CONFIG, wire)) {
      HandOff ours = read(board.toBoard(new HostClock()));
      assertEquals(ours.firmware(), qemus.firmware());
      assertEquals(ours.ecam(), qemus.ecam());
      assertEquals(ours.mmio32(), qemus.mmio32());
      assertEquals(ours.mmio64(), qemus.mmio64());
      assertEquals(ours.inbound(), qemus.inbound());
      assertEquals(ours.remapping(), qemus.remapping());
    }
  }

  private static HandOff handOff(MachineConfig config) {
    try (QemuBoard board = new QemuBoard(config)) {
      return read(board.toBoard(null, new HostClock()));
    }
  }

  private static HandOff read(Board board) {
    return HandOff.read(board.memory(), HandOffLayout.ADDRESS);
  }
}
