package dev.virtiolab.firmware.pci;

import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.pci.FakePci.Function;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.PciIo.AttributeOperation;
import dev.virtiolab.firmware.uefi.PciIo.Width;
import org.junit.jupiter.api.Test;

/** Registers, config space and attributes: edk2's PciIo.c and PciRootBridgeIo.c. */
class PciIoTest {
  private final PciBench bench = new PciBench(PciBench.resources(FakePci.ECAM, true, true));
  private final Function function =
      new Function(4, 0).io(0, 0x20).memory32(1, 0x1000, false).memory64(4, 0x4000, true);
  private final LongRef value = new LongRef(-5);

  private PciIo pciIo() {
    PciIo pciIo = bench.startOne(function);
    pciIo.attributes(AttributeOperation.ENABLE, PciIo.ATTRIBUTE_MEMORY, null);
    return pciIo;
  }

  @Test
  void registersAreReadAndWrittenInEveryWidth() {
    PciIo pciIo = pciIo();
    assertEquals(EfiStatus.SUCCESS, pciIo.memWrite(Width.UINT64, 4, 8, 0x8877_6655_4433_2211L));
    for (Width width : Width.values()) {
      assertEquals(EfiStatus.SUCCESS, pciIo.memRead(width, 4, 8, value));
      assertEquals(0x8877_6655_4433_2211L & -1L >>> (64 - 8 * width.bytes()), value.value);
    }
  }

  @Test
  void nullsAreInvalidBeforeABadRangeIsUnsupported() {
    PciIo pciIo = pciIo();
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.memRead(null, 9, 0, value));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.memRead(Width.UINT8, 9, 0, null));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.memWrite(null, 9, 0, 0));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.ioRead(null, 9, 0, value));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.ioRead(Width.UINT8, 9, 0, null));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.ioWrite(null, 9, 0, 0));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.pollMem(null, 9, 0, 0, 0, 0, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.pollMem(Width.UINT8, 9, 0, 0, 0, 0, null));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.pollMem(Width.UINT8, 1, 0, 0, 0, 0, null));
  }

  @Test
  void anAccessOutsideItsBarOrToNoBarIsUnsupported() {
    PciIo pciIo = pciIo();
    for (int bar : new int[] {0, 2, 3, 5, 6, -1, 254}) {
      assertEquals(EfiStatus.UNSUPPORTED, pciIo.memRead(Width.UINT8, bar, 0, value), "" + bar);
      assertEquals(EfiStatus.UNSUPPORTED, pciIo.memWrite(Width.UINT8, bar, 0, 0));
    }
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.ioRead(Width.UINT8, 1, 0, value));
    for (long offset : new long[] {0xffd, 0x1000, -1, -4, Long.MAX_VALUE, Long.MIN_VALUE}) {
      assertEquals(EfiStatus.UNSUPPORTED, pciIo.memRead(Width.UINT32, 1, offset, value));
      assertEquals(EfiStatus.UNSUPPORTED, pciIo.memWrite(Width.UINT32, 1, offset, 0));
      assertEquals(EfiStatus.UNSUPPORTED, pciIo.pollMem(Width.UINT32, 1, offset, 0, 0, 0, value));
    }
    assertEquals(EfiStatus.SUCCESS, pciIo.memRead(Width.UINT32, 1, 0xffc, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.memRead(Width.UINT32, 1, 2, value), "unaligned");
  }

  @Test
  void thePassThroughBarTakesAddressesWithinTheRootBridgesWindows() {
    PciIo pciIo = pciIo();
    long address = PciBench.base(pciIo, 1) + 4;
    pciIo.memWrite(Width.UINT32, 0xff, address, 77);
    pciIo.memRead(Width.UINT32, 1, 4, value);
    assertEquals(77, value.value);
    for (long outside : new long[] {0xbfff_fffcL, 0xe000_0000L, 0, 4096, -4}) {
      assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.memRead(Width.UINT32, 0xff, outside, value));
    }
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.ioRead(Width.UINT8, 0xff, 0x5fff, value));
  }

  @Test
  void portsAreReadUnsignedAndNeverEightBytesAtOnce() {
    PciIo pciIo = pciIo();
    assertEquals(EfiStatus.SUCCESS, pciIo.ioRead(Width.UINT32, 0, 0, value));
    assertEquals(0x8765_4321L, value.value);
    assertEquals(EfiStatus.SUCCESS, pciIo.ioRead(Width.UINT8, 0, 1, value));
    assertEquals(0xff, value.value);
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.ioRead(Width.UINT64, 0, 0, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.ioRead(Width.UINT16, 0, 0x1f, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.ioRead(Width.UINT16, 0, 0x1d, value));
    assertEquals(EfiStatus.SUCCESS, pciIo.ioWrite(Width.UINT16, 0, 0x1e, 1));
  }

  @Test
  void configSpaceIsReadInEveryWidthThroughEcamAndThroughPorts() {
    for (long ecam : new long[] {FakePci.ECAM, PciResources.NO_ECAM}) {
      PciBench other = new PciBench(PciBench.resources(ecam, true, true));
      Function plain = new Function(4, 0).set(0x40, 8, 0x8877_6655_4433_2211L).mask(0x40, 8, -1);
      PciIo pciIo = other.startOne(plain);
      for (Width width : Width.values()) {
        assertEquals(EfiStatus.SUCCESS, pciIo.pciRead(width, 0x40, value));
        assertEquals(0x8877_6655_4433_2211L & -1L >>> (64 - 8 * width.bytes()), value.value);
      }
      pciIo.pciRead(Width.UINT8, 0x43, value);
      assertEquals(0x44, value.value);
      pciIo.pciRead(Width.UINT16, 0x46, value);
      assertEquals(0x8877, value.value);
      assertEquals(EfiStatus.SUCCESS, pciIo.pciWrite(Width.UINT8, 0x41, 0xaa));
      assertEquals(EfiStatus.SUCCESS, pciIo.pciWrite(Width.UINT16, 0x42, 0xbbcc));
      assertEquals(0x8877_6655_bbcc_aa11L, plain.get(0x40, 8));
      assertEquals(EfiStatus.SUCCESS, pciIo.pciWrite(Width.UINT64, 0x40, 0x0102_0304_0506_0708L));
      assertEquals(0x0102_0304_0506_0708L, plain.get(0x40, 8));
    }
  }

  @Test
  void configSpaceEndsAt256BytesUnlessTheFunctionIsPciExpress() {
    PciIo pciIo = pciIo();
    assertEquals(EfiStatus.SUCCESS, pciIo.pciRead(Width.UINT32, 0xfc, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.pciRead(Width.UINT32, 0x100, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.pciRead(Width.UINT32, 0xfe, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.pciRead(Width.UINT32, 0x41, value), "unaligned");
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.pciWrite(Width.UINT8, -1, 0));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.pciRead(null, 0x1000, value));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.pciWrite(null, 0x1000, 0));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.pciRead(Width.UINT8, 0, null));
  }

  @Test
  void aPciExpressFunctionHas4096BytesWhereEcamShowsThem() {
    Function express =
        new Function(4, 0).set(0x34, 1, 0x40).capability(0x40, 0x10, 0).set(0x100, 4, 0x1b);
    PciIo pciIo = bench.startOne(express);
    assertEquals(EfiStatus.SUCCESS, pciIo.pciRead(Width.UINT32, 0x100, value));
    assertEquals(0x1b, value.value);
    assertEquals(EfiStatus.SUCCESS, pciIo.pciRead(Width.UINT32, 0xffc, value));
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.pciRead(Width.UINT32, 0x1000, value));

    PciBench ports = new PciBench(PciBench.resources(PciResources.NO_ECAM, true, true));
    PciIo through = ports.startOne(express);
    assertEquals(EfiStatus.INVALID_PARAMETER, through.pciRead(Width.UINT32, 0x100, value));
  }

  @Test
  void attributesSwitchTheDecoders() {
    PciIo pciIo = bench.startOne(function);
    long all = PciIo.ATTRIBUTE_IO | PciIo.ATTRIBUTE_MEMORY | PciIo.ATTRIBUTE_BUS_MASTER;
    long dual = PciIo.ATTRIBUTE_DUAL_ADDRESS_CYCLE;
    assertEquals(EfiStatus.SUCCESS, pciIo.attributes(AttributeOperation.SUPPORTED, 0, value));
    assertEquals(all | dual, value.value);
    assertEquals(EfiStatus.SUCCESS, pciIo.attributes(AttributeOperation.GET, 0, value));
    assertEquals(0, value.value);

    long wanted = PciIo.ATTRIBUTE_MEMORY | PciIo.ATTRIBUTE_BUS_MASTER | dual;
    assertEquals(EfiStatus.SUCCESS, pciIo.attributes(AttributeOperation.ENABLE, wanted, null));
    assertEquals(6, function.get(4, 2));
    pciIo.attributes(AttributeOperation.GET, 0, value);
    assertEquals(wanted, value.value);

    assertEquals(
        EfiStatus.SUCCESS,
        pciIo.attributes(AttributeOperation.DISABLE, PciIo.ATTRIBUTE_BUS_MASTER, null));
    assertEquals(2, function.get(4, 2));
    assertEquals(
        EfiStatus.SUCCESS, pciIo.attributes(AttributeOperation.SET, PciIo.ATTRIBUTE_IO, null));
    assertEquals(1, function.get(4, 2));
    pciIo.attributes(AttributeOperation.GET, 0, value);
    assertEquals(PciIo.ATTRIBUTE_IO, value.value);
  }

  @Test
  void attributesThatTheFunctionLacksAreUnsupportedUnlessAllDecodersAreAskedFor() {
    Function noPorts = new Function(4, 0).mask(4, 1, 6);
    PciIo pciIo = bench.startOne(noPorts);
    for (AttributeOperation operation :
        new AttributeOperation[] {
          AttributeOperation.ENABLE, AttributeOperation.DISABLE, AttributeOperation.SET
        }) {
      assertEquals(EfiStatus.UNSUPPORTED, pciIo.attributes(operation, PciIo.ATTRIBUTE_IO, null));
    }
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.attributes(AttributeOperation.ENABLE, 1, null));
    assertEquals(0, noPorts.get(4, 2));
    assertEquals(EfiStatus.SUCCESS, pciIo.attributes(AttributeOperation.ENABLE, 0x700, null));
    assertEquals(6, noPorts.get(4, 2));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.attributes(null, 0, value));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.attributes(AttributeOperation.GET, 0, null));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, pciIo.attributes(AttributeOperation.SUPPORTED, 0, null));
  }

  @Test
  void pollMemLooksOnceWithoutADelayAndSucceedsWhateverItSees() {
    PciIo pciIo = pciIo();
    assertEquals(EfiStatus.SUCCESS, pciIo.pollMem(Width.UINT8, 1, 0, 0xff, 7, 0, value));
    assertEquals(0, value.value);
    assertEquals(0, bench.clock.nanos());
  }

  @Test
  void pollMemEndsWhenTheMaskedValueIsThere() {
    PciIo pciIo = pciIo();
    bench.clock.onIdle(
        () -> {
          if (bench.clock.nanos() >= 50_000) {
            function.registers.put(1L << 40, (byte) 0xf7);
          }
        });
    assertEquals(EfiStatus.SUCCESS, pciIo.pollMem(Width.UINT8, 1, 0, 0x0f, 7, 10_000_000, value));
    assertEquals(0xf7, value.value);
    assertEquals(50_000, bench.clock.nanos());
  }

  @Test
  void pollMemTimesOutAfterItsDelayAndNotMuchLater() {
    PciIo pciIo = pciIo();
    assertEquals(EfiStatus.TIMEOUT, pciIo.pollMem(Width.UINT8, 1, 0, 0xff, 7, 10_000, value));
    long nanos = bench.clock.nanos();
    assertTrue(nanos >= 1_000_000 && nanos <= 1_010_000, "nanos=" + nanos);
  }

  @Test
  void getLocationAndGetBarAttributesRefuseNulls() {
    PciIo pciIo = pciIo();
    IntRef ref = new IntRef();
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.getLocation(null, ref, ref, ref));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.getLocation(ref, null, ref, ref));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.getLocation(ref, ref, null, ref));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.getLocation(ref, ref, ref, null));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.getBarAttributes(9, null, null));
    for (int bar : new int[] {-1, 2, 5, 6}) {
      assertEquals(EfiStatus.UNSUPPORTED, pciIo.getBarAttributes(bar, value, null));
    }
    assertEquals(EfiStatus.SUCCESS, pciIo.flush());
  }
}
