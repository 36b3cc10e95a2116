package dev.virtiolab.pci.function;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.fixture.RecordingMessageTarget;
import dev.virtiolab.pci.fixture.RecordingPin;
import dev.virtiolab.pci.fixture.SampleFunction;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

class PciFunctionTest {
  private static final int COMMAND = 0x04;
  private static final int STATUS = 0x06;
  private static final int BAR1 = 0x10 + 4;
  private static final int BAR4 = 0x10 + 16;
  private static final int DEVICE_CONTROL = SampleFunction.EXPRESS + 8;
  private static final int PMCSR = SampleFunction.POWER_MANAGEMENT + 4;

  private final RecordingPin pin = new RecordingPin();
  private final SampleFunction conventional =
      SampleFunction.conventional(new RecordingMessageTarget(), pin);
  private final SampleFunction express =
      SampleFunction.express(new RecordingMessageTarget(), pin, false);

  // ---- header

  @Test
  void theHeaderAtResetIsTheOneThatQemuShows() {
    // The golden dump of the device on the root bus, 00 to 3f.
    String golden =
        """
        f4 1a 41 10 00 00 10 00 01 00 00 02 00 00 00 00
        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
        0c 00 00 00 00 00 00 00 00 00 00 00 f4 1a 00 11
        00 00 00 00 98 00 00 00 00 00 00 00 00 01 00 00
        """;
    byte[] header = Arrays.copyOf(conventional.configDump(), 0x40);
    assertEquals(golden.strip().replace('\n', ' '), HexFormat.ofDelimiter(" ").formatHex(header));
  }

  @Test
  void onlyTheDeclaredBitsOfTheHeaderCanBeWritten() {
    long[] writable = new long[16];
    writable[COMMAND / 4] = 0x0507;
    writable[0x0c / 4] = 0xff;
    writable[BAR1 / 4] = 0xffff_f000L;
    writable[BAR4 / 4] = 0xffff_c000L;
    writable[BAR4 / 4 + 1] = 0xffff_ffffL;
    writable[0x3c / 4] = 0xff;
    for (int register = 0; register < 0x40; register += 4) {
      long before = conventional.configRead(register, 4);
      conventional.configWrite(register, 4, 0xffff_ffffL);
      assertEquals(
          before | writable[register / 4],
          conventional.configRead(register, 4),
          "register " + Integer.toHexString(register));
    }
  }

  @Test
  void bytesWithoutARegisterAreZeroAndReadOnly() {
    conventional.configWrite(0xf0, 4, 0xffff_ffffL);
    assertEquals(0, conventional.configRead(0xf0, 4));
    express.configWrite(0x100, 4, 0xffff_ffffL);
    assertEquals(0, express.configRead(0x100, 4));
    assertEquals(0, express.configRead(0xffc, 4));
  }

  @Test
  void aConventionalFunctionHasNoExtendedSpaceAndAnExpressOneHas4096Bytes() {
    assertEquals(0xffff_ffffL, conventional.configRead(0x100, 4));
    assertEquals(0xff, conventional.configRead(0xfff, 1));
    assertEquals(256, conventional.configDump().length);
    assertEquals(0xffff_ffffL, express.configRead(0x1000, 4));
    assertEquals(4096, express.configDump().length);
  }

  // ---- BARs

  @Test
  void aBarTellsItsSizeAndTypeToWhoWritesAllOnes() {
    conventional.configWrite(BAR1, 4, 0xffff_ffffL);
    conventional.configWrite(BAR4, 4, 0xffff_ffffL);
    conventional.configWrite(BAR4 + 4, 4, 0xffff_ffffL);
    assertEquals(0xffff_f000L, conventional.configRead(BAR1, 4));
    assertEquals(0xffff_c00cL, conventional.configRead(BAR4, 4));
    assertEquals(0xffff_ffffL, conventional.configRead(BAR4 + 4, 4));
    for (int absent : new int[] {0, 2, 3}) {
      conventional.configWrite(0x10 + 4 * absent, 4, 0xffff_ffffL);
      assertEquals(0, conventional.configRead(0x10 + 4 * absent, 4));
    }
    conventional.configWrite(0x30, 4, 0xffff_ffffL);
    assertEquals(0, conventional.configRead(0x30, 4), "no expansion ROM");
  }

  @Test
  void memorySpaceEnableGatesTheDecodeAndTheAddressFollowsTheRegister() {
    Bar bar = conventional.bars().getLast();
    conventional.configWrite(BAR4, 4, 0xd000_0000L);
    assertEquals(Bar.UNMAPPED, bar.address());
    conventional.configWrite(COMMAND, 2, 2);
    assertEquals(0xd000_0000L, bar.address());
    conventional.configWrite(BAR4 + 4, 4, 0x12);
    assertEquals(0x12_d000_0000L, bar.address());
    conventional.configWrite(BAR4 + 1, 1, 0x40);
    assertEquals(0x12_d000_4000L, bar.address());
    conventional.configWrite(COMMAND, 2, 0);
    assertEquals(Bar.UNMAPPED, bar.address());
  }

  @Test
  void aBarAccessBeyondItsEndOrToNoBarReadsAllOnesAndIsLost() {
    conventional.barWrite(4, 0x3ffc, 4, 0x11223344);
    assertEquals(0x11223344, conventional.barRead(4, 0x3ffc, 4));
    for (long bad : new long[] {0x3ffd, 0x4000, -1, Long.MIN_VALUE, Long.MAX_VALUE}) {
      assertEquals(0xffff_ffffL, conventional.barRead(4, bad, 4));
      conventional.barWrite(4, bad, 4, 0);
    }
    assertEquals(0x11223344, conventional.barRead(4, 0x3ffc, 4));
    assertEquals(-1L, conventional.barRead(4, 0, 3) | ~0xff_ffffL);
    for (int absent : new int[] {-1, 0, 5, 6, 7, 255}) {
      assertEquals(0xff, conventional.barRead(absent, 0, 1));
      conventional.barWrite(absent, 0, 1, 1);
    }
  }

  // ---- capabilities

  @Test
  void theExpressAndPowerCapabilitiesAreTheOnesThatQemuShows() {
    // The golden dump of the device behind a root port, 40 to 83.
    String golden =
        """
        10 00 02 00 20 80 00 10 00 00 00 00 11 04 00 00
        00 00 11 00 00 00 00 00 00 00 00 00 00 00 00 00
        00 00 00 00 00 00 30 00 00 00 00 00 00 00 00 00
        00 00 00 00 00 00 00 00 00 00 00 00 01 40 03 00
        00 00 00 00
        """;
    byte[] bytes = Arrays.copyOfRange(express.configDump(), 0x40, 0x84);
    assertEquals(golden.strip().replace('\n', ' '), HexFormat.ofDelimiter(" ").formatHex(bytes));
  }

  @Test
  void theCapabilityThatIsAddedLastIsFoundFirst() {
    assertEquals(SampleFunction.EXPRESS_MSIX, express.configRead(0x34, 1));
    assertEquals(SampleFunction.POWER_MANAGEMENT, express.configRead(0xdd, 1));
    assertEquals(SampleFunction.EXPRESS, express.configRead(0x7d, 1));
    assertEquals(0, express.configRead(0x41, 1));
    assertEquals(0x10, express.configRead(STATUS, 2) & 0x10);
  }

  @Test
  void onlyTheDeclaredBitsOfTheCapabilitiesCanBeWritten() {
    for (int at = 0x40; at < 0x100; at += 2) {
      long before = express.configRead(at, 2);
      int mask =
          switch (at) {
            case DEVICE_CONTROL -> 0x010f;
            case 0x50 -> 0x00c0;
            case 0x68 -> 0x8000;
            case SampleFunction.EXPRESS_MSIX + 2 -> 0xc000;
            default -> 0;
          };
      long written = at == DEVICE_CONTROL ? 0x7fff : at == PMCSR ? 0xfffc : 0xffff;
      express.configWrite(at, 2, written);
      assertEquals(before | mask, express.configRead(at, 2), "at " + Integer.toHexString(at));
    }
    assertEquals(List.of(), express.resets());
  }

  @Test
  void messageControlAfterAllOnesIsC003() {
    conventional.configWrite(SampleFunction.CONVENTIONAL_MSIX + 2, 2, 0xffff);
    assertEquals(0xc003, conventional.configRead(SampleFunction.CONVENTIONAL_MSIX + 2, 2));
  }

  // ---- resets

  @Test
  void functionLevelResetPutsBackWhatQemuPutsBack() {
    express.configWrite(BAR1, 4, 0xc000_0000L);
    express.configWrite(BAR4, 4, 0xd000_0000L);
    express.configWrite(0x3c, 1, 11);
    express.configWrite(SampleFunction.EXPRESS_MSIX + 2, 2, 0x8000);
    express.configWrite(COMMAND, 2, 7);
    express.barWrite(1, 0, 4, 0xfee00000L);
    express.barWrite(1, 12, 4, 0);
    express.barWrite(4, 0x14, 1, 0xf);
    assertEquals(7, express.configRead(COMMAND, 2));
    assertEquals(0xd000_000cL, express.configRead(BAR4, 4));
    assertEquals(0x8003, express.configRead(SampleFunction.EXPRESS_MSIX + 2, 2));

    express.configWrite(DEVICE_CONTROL, 2, 0x8000);

    assertEquals(List.of(ResetKind.FUNCTION_LEVEL), express.resets());
    assertEquals(0, express.configRead(DEVICE_CONTROL, 2));
    assertEquals(0, express.configRead(COMMAND, 2));
    assertEquals(0, express.configRead(BAR1, 4));
    assertEquals(0x0c, express.configRead(BAR4, 4));
    assertEquals(0x0003, express.configRead(SampleFunction.EXPRESS_MSIX + 2, 2));
    assertEquals(0, express.configRead(0x3c, 1));
    assertEquals(0, express.barRead(1, 0, 4));
    assertEquals(1, express.barRead(1, 12, 4));
    assertEquals(0, express.barRead(4, 0x14, 1));
    assertEquals(Bar.UNMAPPED, express.bars().getLast().address());
    assertFalse(express.busMasterEnabled());
    assertFalse(express.msix().enabled());
  }

  @Test
  void aResetLeavesNoByteOfConfigurationSpaceBehind() {
    byte[] fresh = express.configDump();
    for (int at = 0; at < 4096; at += 2) {
      express.configWrite(at, 2, at == DEVICE_CONTROL ? 0x7fff : 0xffff);
    }
    express.intx().raise();
    assertFalse(Arrays.equals(fresh, express.configDump()));
    express.reset(ResetKind.BUS);
    assertEquals(HexFormat.of().formatHex(fresh), HexFormat.of().formatHex(express.configDump()));
  }

  // ---- power management

  @Test
  void inD3HotOnlyConfigurationSpaceAnswersAndBackInD0AllIsAsItWas() {
    for (boolean noSoftReset : new boolean[] {false, true}) {
      SampleFunction function =
          SampleFunction.express(new RecordingMessageTarget(), pin, noSoftReset);
      int flag = noSoftReset ? 8 : 0;
      function.configWrite(BAR4, 4, 0xd000_0000L);
      function.configWrite(COMMAND, 2, 7);
      function.barWrite(4, 0x14, 1, 0xf);
      function.configWrite(PMCSR, 2, 3);
      assertEquals(flag | 3, function.configRead(PMCSR, 2));
      assertEquals(PowerState.D3_HOT, function.powerState());
      assertEquals(7, function.configRead(COMMAND, 2));
      assertEquals(0xd000_000cL, function.configRead(BAR4, 4));
      assertEquals(Bar.UNMAPPED, function.bars().getLast().address());
      assertFalse(function.busMasterEnabled());

      function.configWrite(PMCSR, 2, 0);
      assertEquals(flag, function.configRead(PMCSR, 2));
      assertEquals(0xd000_0000L, function.bars().getLast().address());
      assertTrue(function.busMasterEnabled());
      assertEquals(0xf, function.barRead(4, 0x14, 1));
      assertEquals(List.of(), function.resets());
    }
  }

  @Test
  void statesThatTheFunctionDoesNotHaveAreDiscarded() {
    for (int state : new int[] {1, 2}) {
      express.configWrite(PMCSR, 2, state);
      assertEquals(0, express.configRead(PMCSR, 2));
      express.configWrite(PMCSR, 2, 3);
      express.configWrite(PMCSR, 2, state);
      assertEquals(3, express.configRead(PMCSR, 2));
      express.configWrite(PMCSR, 2, 0);
    }
  }

  // ---- INTx

  @Test
  void theInterruptStatusBitFollowsTheDeviceAndThePinFollowsTheDisableBit() {
    conventional.intx().raise();
    conventional.intx().raise();
    assertEquals(8, conventional.configRead(STATUS, 2) & 8);
    assertTrue(pin.asserted());
    conventional.configWrite(COMMAND, 2, 0x400);
    assertEquals(8, conventional.configRead(STATUS, 2) & 8);
    assertFalse(pin.asserted());
    conventional.configWrite(COMMAND, 2, 0);
    assertTrue(pin.asserted());
    conventional.configWrite(STATUS, 2, 0xffff);
    assertEquals(8, conventional.configRead(STATUS, 2) & 8, "read-only");
    conventional.intx().lower();
    assertEquals(0, conventional.configRead(STATUS, 2) & 8);
    assertEquals(List.of(true, false, true, false), pin.levels());
    assertEquals(2, conventional.intx().delivered());
  }

  @Test
  void withMsixEnabledThePinStaysIdle() {
    conventional.intx().raise();
    conventional.configWrite(SampleFunction.CONVENTIONAL_MSIX + 2, 2, 0x8000);
    assertFalse(pin.asserted());
    conventional.configWrite(SampleFunction.CONVENTIONAL_MSIX + 2, 2, 0);
    assertTrue(pin.asserted());
  }

  @Test
  void aResetLowersThePin() {
    express.intx().raise();
    express.configWrite(DEVICE_CONTROL, 2, 0x8000);
    assertFalse(pin.asserted());
    assertEquals(0, express.configRead(STATUS, 2) & 8);
  }

  // ---- building

  /** Opens what only subclasses may do. */
  private static final class Bare extends PciFunction {
    Bare() {
      super(
          new FunctionIdentity(1, 2, 3, 4, 5, 6, 0),
          ConfigSpace.CONVENTIONAL_BYTES,
          (address, data) -> {},
          InterruptPin.UNCONNECTED);
    }

    void bar(int index, BarType type, long bytes) {
      addBar(index, type, bytes, null);
    }

    void capability(int offset, int bytes) {
      addCapability(9, offset, new byte[bytes - 2], ConfigHook.NONE);
    }

    void msix(int vectors, int table, int pending) {
      addMsiX(0x40, vectors, 1, 0x1000, table, pending);
    }
  }

  @Test
  void impossibleBarsAreRefused() {
    Bare bare = new Bare();
    bare.bar(0, BarType.MEMORY_64, 1L << 40);
    bare.configWrite(0x10, 4, 0xffff_ffffL);
    bare.configWrite(0x14, 4, 0xffff_ffffL);
    assertEquals(0x4, bare.configRead(0x10, 4));
    assertEquals(0xffff_ff00L, bare.configRead(0x14, 4));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(1, BarType.MEMORY_32, 4096));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(5, BarType.MEMORY_64, 4096));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(6, BarType.MEMORY_32, 4096));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(2, BarType.MEMORY_32, 4095));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(2, BarType.MEMORY_32, 8));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(2, BarType.MEMORY_32, 1L << 32));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(2, BarType.IO, 2));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(2, BarType.IO, 24));
    assertThrows(IllegalArgumentException.class, () -> bare.bar(2, BarType.IO, 512));
    bare.bar(2, BarType.IO, 256);
    bare.bar(3, BarType.IO, 4);
  }

  @Test
  void impossibleCapabilitiesAreRefused() {
    Bare bare = new Bare();
    bare.capability(0x40, 16);
    assertThrows(IllegalArgumentException.class, () -> bare.capability(0x4c, 8));
    assertThrows(IllegalArgumentException.class, () -> bare.capability(0x3c, 4));
    assertThrows(IllegalArgumentException.class, () -> bare.capability(0x52, 4));
    assertThrows(IllegalArgumentException.class, () -> bare.capability(0xfc, 8));
    bare.capability(0xfc, 4);
  }

  @Test
  void msixThatDoesNotFitItsBarIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new Bare().msix(0, 0, 0x800));
    assertThrows(IllegalArgumentException.class, () -> new Bare().msix(2049, 0, 0x800));
    assertThrows(IllegalArgumentException.class, () -> new Bare().msix(129, 0, 0x800));
    assertThrows(IllegalArgumentException.class, () -> new Bare().msix(4, 4, 0x800));
    assertThrows(IllegalArgumentException.class, () -> new Bare().msix(4, 0xfd0, 0x800));
    new Bare().msix(128, 0, 0x800);
  }

  @Test
  void aFunctionIsPluggedInOnce() {
    conventional.plugged(null, () -> {});
    assertThrows(IllegalStateException.class, () -> conventional.plugged(null, () -> {}));
  }
}
