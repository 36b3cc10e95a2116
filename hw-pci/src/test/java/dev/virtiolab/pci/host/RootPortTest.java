package dev.virtiolab.pci.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.fixture.RecordingMessageTarget;
import dev.virtiolab.pci.fixture.SampleFunction;
import dev.virtiolab.pci.function.BusMaster;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.function.ResetKind;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RootPortTest {
  private static final int COMMAND = 0x04;
  private static final int BRIDGE_CONTROL = 0x3e;
  private static final long ONES = 0xffff_ffffL;

  private final PhysicalMemory memory = PhysicalMemory.allocate(1 << 20);
  private final HostBridge bridge = new HostBridge(memory);
  private final RootPort port = new RootPort();
  private final RecordingMessageTarget messages = new RecordingMessageTarget();
  private final SampleFunction nic =
      SampleFunction.express(messages, InterruptPin.UNCONNECTED, false);
  private final BusMaster master = nic.master(memory.busView());

  RootPortTest() {
    port.secondary().plug(0, nic);
    bridge.rootBus().plug(0x1c, port);
  }

  @AfterEach
  void unmap() {
    memory.close();
  }

  private static long ecam(int bus, int device, int register) {
    return 0xb000_0000L | (long) bus << 20 | (long) device << 15 | register;
  }

  /** As the golden run has it: bus 1, memory c000_0000, prefetchable d000_0000, 16 MiB each. */
  private void program() {
    bridge.mmioWrite(ecam(0, 0x1c, 0x18), 4, 0x0001_0100);
    bridge.mmioWrite(ecam(0, 0x1c, 0x20), 4, 0xc0f0_c000L);
    bridge.mmioWrite(ecam(0, 0x1c, 0x24), 4, 0xd0f0_d000L);
    bridge.mmioWrite(ecam(0, 0x1c, COMMAND), 2, 6);
    bridge.mmioWrite(ecam(1, 0, 0x14), 4, 0xc000_0000L);
    bridge.mmioWrite(ecam(1, 0, 0x20), 8, 0xd000_0000L);
    bridge.mmioWrite(ecam(1, 0, COMMAND), 2, 6);
    nic.barWrite(4, 0, 4, 0x1234);
  }

  @Test
  void itComesUpAsABridgeWithBothWindowsClosed() {
    assertEquals(0x000c_1b36L, port.configRead(0, 4));
    assertEquals(0x060400, port.configRead(8, 4) >>> 8);
    assertEquals(1, port.configRead(0x0e, 1));
    assertEquals(0, port.configRead(0x18, 4));
    assertTrue(port.configRead(0x20, 2) > port.configRead(0x22, 2));
    assertTrue(port.configRead(0x24, 2) > port.configRead(0x26, 2));
    assertEquals(1, port.configRead(0x24, 2) & 0xf, "64-bit prefetchable window");
    assertEquals(1, port.configRead(0x26, 2) & 0xf);
  }

  @Test
  void itsExpressCapabilitySaysRootPortAndHasNoFunctionLevelReset() {
    int at = (int) port.configRead(0x34, 1);
    assertEquals(0x10, port.configRead(at, 1));
    assertEquals(0x0042, port.configRead(at + 2, 2));
    assertEquals(0, port.configRead(at + 4, 4) >>> 28 & 1);
    port.configWrite(0x18, 4, 0x0001_0100);
    port.configWrite(at + 8, 2, 0x8000);
    assertEquals(0x0001_0100, port.configRead(0x18, 4));
    assertEquals(0, port.configRead(0x100, 4), "4096 bytes");
  }

  @Test
  void onlyTheDeclaredBitsOfTheBridgeHeaderCanBeWritten() {
    long[] writable = new long[16];
    writable[0x04 / 4] = 0x0507;
    writable[0x0c / 4] = 0xff;
    writable[0x18 / 4] = 0x00ff_ffff;
    writable[0x20 / 4] = 0xfff0_fff0L;
    writable[0x24 / 4] = 0xfff0_fff0L;
    writable[0x28 / 4] = ONES;
    writable[0x2c / 4] = ONES;
    writable[0x3c / 4] = 0x0040_00ff;
    for (int register = 0; register < 0x40; register += 4) {
      long before = port.configRead(register, 4);
      port.configWrite(register, 4, ONES);
      assertEquals(
          before | writable[register / 4],
          port.configRead(register, 4),
          "register " + Integer.toHexString(register));
    }
  }

  @Test
  void busNumbersRouteConfigurationCycles() {
    assertEquals(ONES, bridge.mmioRead(ecam(1, 0, 0), 4));
    bridge.mmioWrite(ecam(0, 0x1c, 0x18), 4, 0x0001_0100);
    assertEquals(0x1041_1af4L, bridge.mmioRead(ecam(1, 0, 0), 4));
    assertEquals(ONES, bridge.mmioRead(ecam(1, 1, 0), 4), "a link has one device");
    assertEquals(ONES, bridge.mmioRead(ecam(2, 0, 0), 4));
    assertSame(nic, bridge.functions().get(PciAddress.parse("01:00.0")));
    bridge.mmioWrite(ecam(0, 0x1c, 0x18), 4, 0x0009_0700);
    assertEquals(ONES, bridge.mmioRead(ecam(1, 0, 0), 4));
    assertEquals(0x1041_1af4L, bridge.mmioRead(ecam(7, 0, 0), 4));
    assertEquals(ONES, bridge.mmioRead(ecam(8, 0, 0), 4), "no bus there");
    bridge.portWrite(0xcf8, 4, 0x8007_0000);
    assertEquals(0x1041_1af4, bridge.portRead(0xcfc, 4));
  }

  @Test
  void behindThePortConfigurationSpaceHas4096Bytes() {
    program();
    assertEquals(0, bridge.mmioRead(ecam(1, 0, 0x100), 4));
    assertEquals(0, bridge.mmioRead(ecam(1, 0, 0xffc), 4));
  }

  @Test
  void memoryAccessesPassTheWindowsOnly() {
    program();
    assertEquals(0x1234, bridge.mmioRead(0xd000_0000L, 4));
    assertEquals(1, bridge.mmioRead(0xc000_000cL, 4));
    nic.configWrite(0x20, 4, 0xd0ff_c000L);
    assertEquals(0x1234, bridge.mmioRead(0xd0ff_c000L, 4), "last of the window");
    nic.configWrite(0x20, 4, 0xd100_0000L);
    assertEquals(ONES, bridge.mmioRead(0xd100_0000L, 4), "one past the window");
    nic.configWrite(0x20, 4, 0xcfff_c000L);
    assertEquals(ONES, bridge.mmioRead(0xcfff_c000L, 4), "one before it");
    nic.configWrite(0x20, 4, 0xc010_0000L);
    assertEquals(0x1234, bridge.mmioRead(0xc010_0000L, 4), "either window does");
  }

  @Test
  void thePrefetchableWindowTakes64BitAddresses() {
    program();
    long high = bridge.window64Base() + 0x10_0000_0000L;
    port.configWrite(0x24, 4, (high >>> 16 & 0xfff0) * 0x0001_0001L);
    port.configWrite(0x28, 4, high >>> 32);
    port.configWrite(0x2c, 4, high >>> 32);
    nic.configWrite(0x20, 4, high & ONES);
    nic.configWrite(0x24, 4, high >>> 32);
    assertEquals(0x1234, bridge.mmioRead(high, 4));
    port.configWrite(0x2c, 4, 0);
    assertEquals(ONES, bridge.mmioRead(high, 4), "limit below base: closed");
  }

  @Test
  void thePortsMemoryEnableGatesWhatIsBehindIt() {
    program();
    port.configWrite(COMMAND, 2, 4);
    assertEquals(ONES, bridge.mmioRead(0xd000_0000L, 4));
    port.configWrite(COMMAND, 2, 6);
    assertEquals(0x1234, bridge.mmioRead(0xd000_0000L, 4));
  }

  @Test
  void thePortsBusMasterEnableGatesDmaAndMessages() {
    program();
    nic.configWrite(SampleFunction.EXPRESS_MSIX + 2, 2, 0x8000);
    nic.barWrite(1, 12, 4, 0);
    DmaWindow window = new DmaWindow();
    assertTrue(master.resolve(0, DmaAccess.READ, window));
    nic.msix().signal(0);
    assertEquals(1, messages.messages().size());

    port.configWrite(COMMAND, 2, 2);
    assertFalse(window.covers(0, 1, master.generation().acquire()));
    assertFalse(master.resolve(0, DmaAccess.READ, window));
    assertEquals(DmaFault.BUS_MASTER_DISABLED, window.fault());
    nic.msix().signal(0);
    assertEquals(1, messages.messages().size());
    assertEquals(1, nic.msix().lost());

    port.configWrite(COMMAND, 2, 6);
    assertTrue(master.resolve(0, DmaAccess.READ, window));
  }

  @Test
  void secondaryBusResetResetsTheDeviceOnceAndHidesItWhileSet() {
    program();
    port.configWrite(BRIDGE_CONTROL, 2, 0x40);
    assertEquals(List.of(ResetKind.BUS), nic.resets());
    assertEquals(0, nic.configRead(COMMAND, 2));
    assertEquals(ONES, bridge.mmioRead(ecam(1, 0, 0), 4));
    port.configWrite(BRIDGE_CONTROL, 2, 0x40);
    port.configWrite(BRIDGE_CONTROL, 2, 0);
    assertEquals(List.of(ResetKind.BUS), nic.resets());
    assertEquals(0x1041_1af4L, bridge.mmioRead(ecam(1, 0, 0), 4));
    assertEquals(ONES, bridge.mmioRead(0xd000_0000L, 4), "the device must be programmed again");
    program();
    assertEquals(0x1234, bridge.mmioRead(0xd000_0000L, 4));
  }

  @Test
  void resettingThePortResetsWhatIsBehindIt() {
    program();
    bridge.powerOn();
    assertEquals(List.of(ResetKind.POWER_ON), nic.resets());
    assertEquals(0, port.secondaryBus());
    assertEquals(ONES, bridge.mmioRead(0xd000_0000L, 4));
    port.reset(ResetKind.BUS);
    assertEquals(List.of(ResetKind.POWER_ON, ResetKind.BUS), nic.resets());
  }

  @Test
  void theSlotTakesDeviceZeroOnly() {
    SampleFunction other = SampleFunction.conventional();
    assertThrows(IllegalArgumentException.class, () -> port.secondary().plug(1, other));
  }
}
