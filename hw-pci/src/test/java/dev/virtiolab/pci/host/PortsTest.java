package dev.virtiolab.pci.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.pci.fixture.PortsFunction;
import dev.virtiolab.pci.function.Bar;
import dev.virtiolab.pci.function.ResetKind;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** BARs that decode I/O ports: in the function, and behind the host bridge. */
class PortsTest {
  private static final int COMMAND = 0x04;
  private static final int BAR0 = 0x10;
  private static final int BAR1 = 0x14;
  private static final int IO = 1;
  private static final int MEMORY = 2;

  private final PhysicalMemory memory = PhysicalMemory.allocate(1 << 20);
  private final HostBridge bridge = new HostBridge(memory);
  private final PortsFunction function = new PortsFunction();
  private final Bar ports = function.bars().getFirst();

  PortsTest() {
    bridge.rootBus().plug(4, function);
  }

  @AfterEach
  void unmap() {
    memory.close();
  }

  private void place(long port) {
    function.configWrite(BAR0, 4, port);
    function.configWrite(COMMAND, 2, IO | MEMORY);
  }

  /** PCI Local Bus 3.0, 6.2.5.1: bit 0 is set, bit 1 is not, and the size reads as zeros. */
  @Test
  void theRegisterSaysThatItIsPortsAndHowMany() {
    assertEquals(1, function.configRead(BAR0, 4));
    function.configWrite(BAR0, 4, 0xffff_ffffL);
    assertEquals(0xffff_ffe1L, function.configRead(BAR0, 4));
    function.configWrite(BAR0, 4, 0);
    assertEquals(1, function.configRead(BAR0, 4));
  }

  /** 6.2.2: each enable has its own kind of BARs. */
  @Test
  void portsFollowIoSpaceEnableAndMemoryFollowsMemorySpaceEnable() {
    Bar registers = function.bars().getLast();
    function.configWrite(BAR0, 4, 0x6020);
    function.configWrite(BAR1, 4, 0xc000_0000L);
    function.configWrite(COMMAND, 2, IO);
    assertEquals(0x6020, ports.address());
    assertEquals(Bar.UNMAPPED, registers.address());
    function.configWrite(COMMAND, 2, MEMORY);
    assertEquals(Bar.UNMAPPED, ports.address());
    assertEquals(0xc000_0000L, registers.address());
    function.configWrite(COMMAND, 2, IO | MEMORY);
    assertEquals(0x6020, ports.address());
    function.reset(ResetKind.FUNCTION_LEVEL);
    assertEquals(Bar.UNMAPPED, ports.address());
  }

  @Test
  void thePortsReachTheBarInEveryWidth() {
    place(0x6020);
    assertEquals(0x12, bridge.portRead(0x6032, 1));
    assertEquals(0x10, bridge.portRead(0x6030, 2));
    assertEquals(0x1c, bridge.portRead(0x603c, 4));
    bridge.portWrite(0x6020, 4, -1);
    bridge.portWrite(0x602e, 2, 0xf_0002);
    bridge.portWrite(0x603f, 1, -1);
    assertEquals(
        List.of(
            "io r 12/1",
            "io r 10/2",
            "io r 1c/4",
            "io w 00/4=ffffffff",
            "io w 0e/2=2",
            "io w 1f/1=ff"),
        function.accesses());
    assertEquals(0, bridge.unclaimed());
  }

  @Test
  void whatTheBarDoesNotHoldWholeIsNobodys() {
    place(0x6020);
    assertEquals(0xff, bridge.portRead(0x601f, 1));
    assertEquals(0xff, bridge.portRead(0x6040, 1));
    assertEquals(0xffff, bridge.portRead(0x603f, 2), "leaves the BAR");
    assertEquals(-1, bridge.portRead(0x601e, 4), "enters the BAR");
    bridge.portWrite(0x603e, 4, 0);
    assertEquals(5, bridge.unclaimed());
    assertEquals(List.of(), function.accesses());
  }

  @Test
  void portsOutsideTheWindowAreNotDecoded() {
    for (long base : new long[] {0, 0xce0, 0x5fe0, 0x1_0000, 0x1_6020, 0xffff_ffe0L}) {
      place(base);
      assertEquals(0xff, bridge.portRead((int) base, 1), Long.toHexString(base));
    }
    place(0xffe0);
    assertEquals(0x1f, bridge.portRead(0xffff, 1), "the last port");
    assertEquals(List.of("io r 1f/1"), function.accesses());
  }

  /** Whatever a BAR claims, configuration space stays reachable. */
  @Test
  void theConfigurationPortsStayWhereTheyAre() {
    place(0xce0);
    bridge.portWrite(0xcf8, 4, 0x8000_2000);
    assertEquals(0x1000_1af4, bridge.portRead(0xcfc, 4));
    assertEquals(List.of(), function.accesses());
  }

  @Test
  void memoryAndPortsOfOneNumberAreDifferentPlaces() {
    place(0x6020);
    assertEquals(0xff, bridge.mmioRead(0x6020, 1));
    function.configWrite(BAR1, 4, 0xc000_0000L);
    assertEquals(8, bridge.mmioRead(0xc000_0008L, 4));
    assertEquals(List.of("memory r 08/4"), function.accesses());
  }

  /** The root port's I/O base and limit are read-only zeros. */
  @Test
  void aRootPortForwardsNoPorts() {
    RootPort port = new RootPort();
    PortsFunction behind = new PortsFunction();
    bridge.rootBus().plug(0x1c, port);
    port.secondary().plug(0, behind);
    port.configWrite(0x18, 4, 0x0001_0100);
    port.configWrite(0x1c, 2, 0xf0f0);
    port.configWrite(COMMAND, 2, 7);
    behind.configWrite(BAR0, 4, 0x6020);
    behind.configWrite(COMMAND, 2, 7);
    assertEquals(0, port.configRead(0x1c, 2));
    assertEquals(0xff, bridge.portRead(0x6020, 1));
    assertEquals(List.of(), behind.accesses());
  }
}
