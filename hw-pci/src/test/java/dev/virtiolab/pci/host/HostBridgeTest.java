package dev.virtiolab.pci.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.fixture.SampleFunction;
import dev.virtiolab.pci.function.BarHandler;
import dev.virtiolab.pci.function.ResetKind;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class HostBridgeTest {
  private static final int COMMAND = 0x04;
  private static final int BAR1 = 0x14;
  private static final int BAR4 = 0x20;
  private static final long ONES = 0xffff_ffffL;

  private final PhysicalMemory memory = PhysicalMemory.allocate(1 << 20);
  private final HostBridge bridge = new HostBridge(memory);
  private final SampleFunction nic = SampleFunction.conventional();

  HostBridgeTest() {
    bridge.rootBus().plug(4, nic);
  }

  @AfterEach
  void unmap() {
    memory.close();
  }

  private static long ecam(int bus, int device, int register) {
    return 0xb000_0000L | (long) bus << 20 | (long) device << 15 | register;
  }

  private void select(int bus, int device, int function, int register) {
    bridge.portWrite(0xcf8, 4, 0x8000_0000 | bus << 16 | device << 11 | function << 8 | register);
  }

  private void place(SampleFunction function, long bar1, long bar4) {
    function.configWrite(BAR1, 4, bar1);
    function.configWrite(BAR4, 4, bar4 & ONES);
    function.configWrite(BAR4 + 4, 4, bar4 >>> 32);
    function.configWrite(COMMAND, 2, 2);
  }

  // ---- ports

  @Test
  void portsReachConfigurationSpace() {
    select(0, 0, 0, 0);
    assertEquals(0x29c0_8086, bridge.portRead(0xcfc, 4));
    select(0, 4, 0, 0);
    assertEquals(0x1041_1af4, bridge.portRead(0xcfc, 4));
    select(0, 4, 0, 0x3c);
    bridge.portWrite(0xcfc, 1, 11);
    assertEquals(11, nic.configRead(0x3c, 1));
  }

  @Test
  void theDataPortHasByteLanes() {
    select(0, 4, 0, 0);
    assertEquals(0xf4, bridge.portRead(0xcfc, 1));
    assertEquals(0x1a, bridge.portRead(0xcfd, 1));
    assertEquals(0x1041, bridge.portRead(0xcfe, 2));
    assertEquals(0x10, bridge.portRead(0xcff, 1));
    assertEquals(0xffff, bridge.portRead(0xcff, 2), "leaves the lanes");
    assertEquals(-1, bridge.portRead(0xcfd, 4), "leaves the lanes");
  }

  @Test
  void theAddressPortAnswersOnlyAsFourBytes() {
    select(0, 4, 0, 0);
    assertEquals(0x8000_2000, bridge.portRead(0xcf8, 4));
    bridge.portWrite(0xcf8, 1, 0x10);
    bridge.portWrite(0xcf8, 2, 0x10);
    bridge.portWrite(0xcfa, 2, 0);
    assertEquals(0x8000_2000, bridge.portRead(0xcf8, 4));
    assertEquals(0xff, bridge.portRead(0xcf8, 1));
    assertEquals(0xffff, bridge.portRead(0xcfa, 2));
    bridge.portWrite(0xcf8, 4, -1);
    assertEquals(0x80ff_fffc, bridge.portRead(0xcf8, 4), "reserved bits read as zero");
  }

  @Test
  void withoutTheEnableBitTheDataPortIsNobodys() {
    bridge.portWrite(0xcf8, 4, 4 << 11);
    assertEquals(-1, bridge.portRead(0xcfc, 4));
  }

  @Test
  void anAbsentFunctionReadsAllOnes() {
    for (int[] absent : new int[][] {{0, 5, 0}, {0, 4, 1}, {1, 0, 0}, {255, 31, 7}}) {
      select(absent[0], absent[1], absent[2], 0);
      assertEquals(-1, bridge.portRead(0xcfc, 4));
      assertEquals(0xffff, bridge.portRead(0xcfc, 2));
      bridge.portWrite(0xcfc, 4, 0);
    }
    assertEquals(12, bridge.unclaimed());
    assertEquals(-1, bridge.portRead(0x3f8, 4), "no other port");
    assertEquals(0xff, bridge.portRead(0x60, 1));
  }

  // ---- ECAM

  @Test
  void ecamReachesConfigurationSpaceAtEveryWidth() {
    assertEquals(0x29c0_8086L, bridge.mmioRead(ecam(0, 0, 0), 4));
    assertEquals(0x1041, bridge.mmioRead(ecam(0, 4, 2), 2));
    assertEquals(0x1a, bridge.mmioRead(ecam(0, 4, 1), 1));
    assertEquals(0x0010_0000_1041_1af4L, bridge.mmioRead(ecam(0, 4, 0), 8));
    bridge.mmioWrite(ecam(0, 4, BAR4), 8, 0x12_d000_0000L);
    assertEquals(0x12_d000_000cL, bridge.mmioRead(ecam(0, 4, BAR4), 8));
  }

  @Test
  void oddEcamAccessesReadAllOnesAndAreLost() {
    assertEquals(0xffff, bridge.mmioRead(ecam(0, 4, 3), 2));
    assertEquals(ONES, bridge.mmioRead(ecam(0, 4, 2), 4));
    assertEquals(-1, bridge.mmioRead(ecam(0, 4, 4), 8));
    bridge.mmioWrite(ecam(0, 4, BAR4 - 4), 8, -1);
    assertEquals(0, nic.configRead(BAR4 + 4, 4));
    assertEquals(ONES, bridge.mmioRead(ecam(0, 5, 0), 4));
    assertEquals(ONES, bridge.mmioRead(ecam(0, 4, 0) | 1 << 12, 4), "function 1");
    assertEquals(0xff, bridge.mmioRead(0xbfff_ffffL, 1));
    assertEquals(ONES, bridge.mmioRead(0xbfff_fffeL, 4), "leaves ECAM");
  }

  @Test
  void onTheRootBusExtendedSpaceIsAllOnes() {
    for (int register = 0x100; register < 0x1000; register += 4) {
      assertEquals(ONES, bridge.mmioRead(ecam(0, 4, register), 4));
    }
  }

  @Test
  void theHostBridgeTellsWhereEcamIs() {
    assertEquals(0xb000_0001L, bridge.mmioRead(ecam(0, 0, 0x60), 8));
    assertEquals(0x06_0000, bridge.mmioRead(ecam(0, 0, 8), 4) >>> 8);
  }

  // ---- MMIO

  @Test
  void anAccessReachesTheBarThatDecodesIt() {
    place(nic, 0xc000_0000L, 0xd000_0000L);
    bridge.mmioWrite(0xd000_0014L, 1, 0xf);
    assertEquals(0xf, nic.barRead(4, 0x14, 1));
    assertEquals(0xf, bridge.mmioRead(0xd000_0014L, 1));
    bridge.mmioWrite(0xd000_3ff8L, 8, 0x1122_3344_5566_7788L);
    assertEquals(0x1122_3344_5566_7788L, bridge.mmioRead(0xd000_3ff8L, 8));
    assertEquals(1, bridge.mmioRead(0xc000_000cL, 4), "the MSI-X table");
    assertEquals(0, bridge.unclaimed());
    assertEquals(ONES, bridge.mmioRead(0xcfff_fffcL, 4));
    assertEquals(ONES, bridge.mmioRead(0xd000_4000L, 4));
    assertEquals(ONES, bridge.mmioRead(0xd000_3ffeL, 4), "leaves the BAR");
    assertEquals(0xff_ffffL, bridge.mmioRead(0xd000_0000L, 3), "no such width");
    assertEquals(3, bridge.unclaimed());
  }

  @Test
  void memorySpaceEnableGatesAndBarsMoveAtRunTime() {
    place(nic, 0xc000_0000L, 0xd000_0000L);
    bridge.mmioWrite(0xd000_0000L, 4, 0x1234);
    nic.configWrite(COMMAND, 2, 0);
    assertEquals(ONES, bridge.mmioRead(0xd000_0000L, 4));
    nic.configWrite(COMMAND, 2, 2);
    assertEquals(0x1234, bridge.mmioRead(0xd000_0000L, 4));
    nic.configWrite(BAR4, 4, 0xd100_0000L);
    assertEquals(ONES, bridge.mmioRead(0xd000_0000L, 4));
    assertEquals(0x1234, bridge.mmioRead(0xd100_0000L, 4));
    long high = bridge.window64Base();
    nic.configWrite(BAR4, 4, high & ONES);
    nic.configWrite(BAR4 + 4, 4, high >>> 32);
    assertEquals(0x1234, bridge.mmioRead(high, 4));
    nic.reset(ResetKind.BUS);
    assertEquals(ONES, bridge.mmioRead(high, 4));
  }

  @Test
  void outsideTheWindowsNoBarDecodesSoThatRamWins() {
    for (long outside :
        new long[] {
          0,
          0x1000,
          0x8000_0000L,
          0xafff_c000L,
          0xb000_0000L,
          0xbfff_c000L,
          0xfec0_0000L,
          0xffff_c000L,
          bridge.window64Base() - 0x4000,
          bridge.window64Limit(),
          -0x4000,
        }) {
      place(nic, 0, outside);
      nic.barWrite(4, 0, 4, 0x5555);
      assertTrue(bridge.mmioRead(outside, 4) != 0x5555, () -> "at " + Long.toHexString(outside));
    }
    place(nic, 0, 0xfebf_c000L);
    assertEquals(0x5555, bridge.mmioRead(0xfebf_c000L, 4), "the last that fits");
  }

  @Test
  void the64BitWindowBeginsAboveHighRamAlsoOnTheBus() {
    assertEquals(0x1_0000_0000L, bridge.window64Base());
    try (PhysicalMemory big = PhysicalMemory.allocate(1 << 20, (1L << 30) + 4096)) {
      assertEquals(0x1_8000_0000L, new HostBridge(big).window64Base());
      assertEquals(0x2_0000_0000L, new HostBridge(big, big.limit() + 0x8000_0000L).window64Base());
    }
  }

  @Test
  void ramWhereTheBoardHasRegistersIsRefused() {
    try (Arena arena = Arena.ofConfined()) {
      var region = new RamRegion(0xc000_0000L, arena.allocate(4096, 8));
      try (PhysicalMemory odd = PhysicalMemory.of(List.of(region))) {
        assertThrows(IllegalArgumentException.class, () -> new HostBridge(odd));
      }
    }
  }

  @Test
  void ofOverlappingBarsTheLowestDeviceAndTheLowestIndexWins() {
    SampleFunction other = SampleFunction.conventional();
    bridge.rootBus().plug(3, other);
    place(nic, 0xe000_0000L, 0xd000_0000L);
    place(other, 0xe000_0000L, 0xd000_2000L & -0x4000L);
    nic.barWrite(4, 0, 4, 4);
    other.barWrite(4, 0, 4, 3);
    assertEquals(3, bridge.mmioRead(0xd000_0000L, 4));
    // Within one function BAR1 comes before BAR4, which keeps what is left on both sides.
    place(nic, 0xe800_1000L, 0xe800_0000L);
    nic.barWrite(4, 0xffc, 4, 0x77);
    nic.barWrite(4, 0x1000, 4, 0x88);
    nic.barWrite(4, 0x2000, 4, 0x99);
    assertEquals(0x77, bridge.mmioRead(0xe800_0ffcL, 4));
    assertEquals(0, bridge.mmioRead(0xe800_1000L, 4), "MSI-X table");
    assertEquals(0x99, bridge.mmioRead(0xe800_2000L, 4));
    assertEquals(ONES, bridge.mmioRead(0xe800_0ffeL, 4), "crosses into another's range");
  }

  @Test
  void aKickAllocatesNothing() {
    place(nic, 0xc000_0000L, 0xd000_0000L);
    long bytes =
        Allocation.bytesOf(
            20,
            () -> {
              for (int i = 0; i < 10_000; i++) {
                bridge.mmioWrite(0xd000_3000L, 2, i);
                bridge.mmioRead(0xd000_2000L, 1);
              }
            });
    assertTrue(bytes < 10_000, () -> "allocated " + bytes + " bytes in 10000 turns");
  }

  // ---- registers of the board

  @Test
  void attachedRegistersAnswerAtTheirAddressesOnly() {
    List<String> seen = new ArrayList<>();
    bridge.attach(0xfed9_0000L, 0x1000, scribe(seen));
    assertEquals(0x18, bridge.mmioRead(0xfed9_0018L, 4));
    bridge.mmioWrite(0xfed9_0ff8L, 8, 5);
    assertEquals(List.of("read 18 4", "write ff8 8 5"), seen);
    assertEquals(0, bridge.unclaimed());
    assertEquals(ONES, bridge.mmioRead(0xfed9_0ffeL, 4), "leaves the registers");
    assertEquals(ONES, bridge.mmioRead(0xfed8_ffffL, 4), "begins before them");
    bridge.mmioWrite(0xfed9_1000L, 4, 1);
    assertEquals(3, bridge.unclaimed());
    assertEquals(2, seen.size());
  }

  @Test
  void registersAreAttachedOnlyWhereNothingElseCanBe() {
    BarHandler registers = scribe(new ArrayList<>());
    bridge.attach(0xfed9_0000L, 0x1000, registers);
    for (long[] bad :
        new long[][] {
          {0xfed9_0fffL, 2},
          {0xfed8_f000L, 0x2000},
          {0xfebf_f000L, 0x1000},
          {0xffff_f000L, 0x1001},
          {0xfee0_0000L, 0},
          {0x1000, 0x1000},
          {0xb000_0000L, 0x1000},
        }) {
      assertThrows(IllegalArgumentException.class, () -> bridge.attach(bad[0], bad[1], registers));
    }
    bridge.attach(0xfed9_1000L, 0x1000, registers);
  }

  private static BarHandler scribe(List<String> seen) {
    return new BarHandler() {
      @Override
      public long read(long offset, int width) {
        seen.add("read %x %d".formatted(offset, width));
        return offset;
      }

      @Override
      public void write(long offset, int width, long value) {
        seen.add("write %x %d %x".formatted(offset, width, value));
      }
    };
  }

  // ---- the bus

  @Test
  void whatIsPluggedInIsListedByAddress() {
    assertEquals(
        Set.of(new PciAddress(0, 0, 0), new PciAddress(0, 4, 0)), bridge.functions().keySet());
    assertSame(nic, bridge.functions().get(PciAddress.parse("00:04.0")));
  }

  @Test
  void aSlotTakesOneFunctionAndAFunctionOneSlot() {
    SampleFunction other = SampleFunction.conventional();
    assertThrows(IllegalArgumentException.class, () -> bridge.rootBus().plug(4, other));
    assertThrows(IllegalArgumentException.class, () -> bridge.rootBus().plug(0, other));
    assertThrows(IllegalArgumentException.class, () -> bridge.rootBus().plug(32, other));
    assertThrows(IllegalArgumentException.class, () -> bridge.rootBus().plug(-1, other));
    assertThrows(IllegalStateException.class, () -> bridge.rootBus().plug(5, nic));
  }

  @Test
  void powerOnResetsEveryFunction() {
    place(nic, 0xc000_0000L, 0xd000_0000L);
    bridge.portWrite(0xcf8, 4, 0x8000_0000);
    bridge.powerOn();
    assertEquals(List.of(ResetKind.POWER_ON), nic.resets());
    assertEquals(0, nic.configRead(COMMAND, 2));
    assertEquals(0, bridge.portRead(0xcf8, 4));
  }
}
