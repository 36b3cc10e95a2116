package dev.virtiolab.firmware.handoff;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.handoff.HandOff.Range;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** The format of {@link HandOffLayout}: what the lab writes and what the firmware refuses. */
class HandOffTest {
  private static final long MIB = 1L << 20;
  private static final long GIB = 1L << 30;
  private static final HandOff GOOD =
      HandOffs.withRam(List.of(new Range(0, 16 * MIB), new Range(4 * GIB, 2 * GIB)));

  private final MemorySegment ram = Arena.ofAuto().allocate(HandOffLayout.ADDRESS + 2 * 4096, 8);
  private final FlatCpuMemory memory = new FlatCpuMemory(ram);
  private final MemorySegment bytes = ram.asSlice(HandOffLayout.ADDRESS);

  @Test
  void whatIsWrittenIsRead() {
    GOOD.write(bytes);
    assertEquals(GOOD, read());
    assertEquals(new Range(HandOffLayout.ADDRESS, 2 * 4096), GOOD.pages());
  }

  @Test
  void theBytesAreTheLayouts() {
    bytes.fill((byte) 0xFF);
    GOOD.write(bytes);
    ByteBuffer header = ByteBuffer.allocate(4096 + 6 * 24).order(ByteOrder.LITTLE_ENDIAN);
    header.put("VLABHOFF".getBytes(StandardCharsets.US_ASCII));
    header.putInt(1).putInt(4096 + 6 * 24).putInt(0).putInt(6).position(4096);
    header.putInt(1).putInt(24).putLong(0).putLong(16 * MIB);
    header.putInt(1).putInt(24).putLong(4 * GIB).putLong(2 * GIB);
    header.putInt(2).putInt(24).putLong(MIB).putLong(64 << 10);
    header.putInt(3).putInt(24).putLong(0xB000_0000L).putLong(256 * MIB);
    header.putInt(4).putInt(24).putLong(0xC000_0000L).putLong(512 * MIB);
    header.putInt(5).putInt(24).putLong(1L << 40).putLong(1L << 34);
    CRC32C crc = new CRC32C();
    crc.update(header.array());
    header.putInt(16, (int) crc.getValue());
    MemorySegment expected = MemorySegment.ofArray(header.array());
    assertEquals(-1, expected.mismatch(bytes.asSlice(0, expected.byteSize())));
    for (long at = expected.byteSize(); at < GOOD.pages().length(); at++) {
      assertEquals(0, bytes.get(ValueLayout.JAVA_BYTE, at));
    }
  }

  @Test
  void theRemappingUnitIsOneBlockMoreAndIsRead() {
    HandOff with = GOOD.withRemapping(new Range(0xFED9_0000L, 4096));
    with.write(bytes);
    ByteBuffer raw = bytes.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(7, raw.getInt(HandOffLayout.HEADER_BLOCKS));
    int last = 4096 + 6 * 24;
    assertEquals(7, raw.getInt(last));
    assertEquals(24, raw.getInt(last + 4));
    assertEquals(0xFED9_0000L, raw.getLong(last + 8));
    assertEquals(4096, raw.getLong(last + 16));
    assertEquals(with, read());
  }

  @Test
  void aRemappingUnitThatCannotBeIsRefused() {
    for (Range bad :
        List.of(
            new Range(0xFED9_0010L, 4096),
            new Range(0xFED9_0000L, 4095),
            new Range(MIB, 4096),
            GOOD.ecam(),
            new Range(GOOD.mmio32().base(), 4096),
            new Range(GOOD.mmio64().limit() - 4096, 4096))) {
      HandOffException refused =
          assertThrows(HandOffException.class, () -> GOOD.withRemapping(bad));
      assertTrue(refused.getMessage().contains("remapping="), refused.getMessage());
    }
  }

  @Test
  void everyBitIsCheckedBySomething() {
    GOOD.write(bytes);
    for (int at = 0; at < 4096 + 6 * 24; at++) {
      byte kept = bytes.get(ValueLayout.JAVA_BYTE, at);
      bytes.set(ValueLayout.JAVA_BYTE, at, (byte) (kept ^ 1 << at % 8));
      assertThrows(HandOffException.class, this::read, "byte " + at);
      bytes.set(ValueLayout.JAVA_BYTE, at, kept);
    }
    assertEquals(GOOD, read());
  }

  @Test
  void aHeaderThatLiesWithAGoodChecksumIsRefused() {
    refusesSigned(header -> header.putLong(HandOffLayout.HEADER_MAGIC, 0), "magic");
    refusesSigned(header -> header.putInt(HandOffLayout.HEADER_VERSION, 2), "version");
    for (int total : new int[] {0, -1, 4095, 4096, 4096 + 5 * 24, 4096 + 65 * 24, 1 << 30}) {
      refusesSigned(header -> header.putInt(HandOffLayout.HEADER_TOTAL_LENGTH, total), "length");
    }
    for (int blocks : new int[] {-1, 0, 5, 7, 65, Integer.MAX_VALUE}) {
      refusesSigned(header -> header.putInt(HandOffLayout.HEADER_BLOCKS, blocks), "blocks");
    }
    refusesSigned(header -> header.put(4095, (byte) 1), "reserved");
  }

  @Test
  void blocksThatLieWithAGoodChecksumAreRefused() {
    int firstRam = 4096;
    int firmware = 4096 + 2 * 24;
    refusesSigned(header -> header.putInt(firstRam, 99), "unknown type");
    refusesSigned(header -> header.putInt(firstRam, 0), "unknown type");
    refusesSigned(header -> header.putInt(firstRam, 3), "second block of type 3");
    refusesSigned(header -> header.putInt(firmware, 1), "no block of type 2");
    refusesSigned(header -> header.putInt(firstRam + 4, 16), "length of block 0");
    refusesSigned(header -> header.putLong(firstRam + 8, -4096), "no range");
    refusesSigned(header -> header.putLong(firstRam + 16, -4096), "no range");
    refusesSigned(header -> header.putLong(firstRam + 16, 0), "no range");
    refusesSigned(header -> header.putLong(firstRam + 16, Long.MAX_VALUE), "no range");
    refusesSigned(header -> header.putLong(firstRam + 8, 1L << 52), "no range");
  }

  @Test
  void aHandOffOutsideRamIsRefused() {
    for (long address : new long[] {ram.byteSize(), ram.byteSize() - 4095, -1, 1L << 60}) {
      assertThrows(HandOffException.class, () -> HandOff.read(memory, address));
    }
    // The header page in RAM, the blocks not.
    GOOD.write(bytes);
    MemorySegment last = ram.asSlice(ram.byteSize() - 4096);
    last.copyFrom(bytes.asSlice(0, 4096));
    assertThrows(HandOffException.class, () -> HandOff.read(memory, ram.byteSize() - 4096));
  }

  @Test
  void rangesThatDoNotFitTogetherAreRefused() {
    Range low = new Range(0, 16 * MIB);
    Range firmware = GOOD.firmware();
    Range ecam = GOOD.ecam();
    Range mmio32 = GOOD.mmio32();
    Range mmio64 = GOOD.mmio64();
    refuses("no RAM", List.of(), firmware, ecam, mmio32, mmio64);
    refuses("whole pages", List.of(new Range(1, 16 * MIB)), firmware, ecam, mmio32, mmio64);
    refuses("ascending", List.of(new Range(4 * GIB, GIB), low), firmware, ecam, mmio32, mmio64);
    refuses(
        "ascending", List.of(low, new Range(16 * MIB - 4096, MIB)), firmware, ecam, mmio32, mmio64);
    refuses("hand-off", List.of(new Range(0, 8 * MIB)), firmware, ecam, mmio32, mmio64);
    refuses("firmware", List.of(low), new Range(16 * MIB, 4096), ecam, mmio32, mmio64);
    refuses("firmware", List.of(low), new Range(MIB + 1, 4096), ecam, mmio32, mmio64);
    refuses("firmware", List.of(low), new Range(8 * MIB, 4096), ecam, mmio32, mmio64);
    refuses("ecam", List.of(low), firmware, new Range(0xB000_1000L, MIB), mmio32, mmio64);
    refuses("ecam", List.of(low), firmware, new Range(0x8000_0000L, 257 * MIB), mmio32, mmio64);
    refuses("ecam", List.of(low), firmware, new Range(0xC000_0000L, MIB), mmio32, mmio64);
    refuses("ecam", List.of(low), firmware, new Range(1L << 40, MIB), mmio32, mmio64);
    refuses("mmio32", List.of(low), firmware, ecam, new Range(4 * GIB - 1, 2), mmio64);
    refuses("mmio64", List.of(low), firmware, ecam, mmio32, new Range(4 * GIB - 1, 2));
    refuses("RAM", List.of(low), firmware, ecam, new Range(15 * MIB, 2 * MIB), mmio64);
    List<Range> many = new ArrayList<>(List.of(low));
    for (long i = 1; i <= 57; i++) {
      many.add(new Range(i * 32 * MIB, 4096));
    }
    refuses("too many", many, firmware, ecam, mmio32, mmio64);
    assertEquals(57, HandOffs.withRam(many.subList(0, 57)).ram().size());
  }

  @Test
  void whereBusMastersFindMemoryMayBeSaid() {
    HandOff shifted = HandOffs.shifted(GOOD, 0x8000_0000L);
    shifted.write(bytes);
    assertEquals(shifted, read());
    assertEquals(Optional.of(new Range(0x8000_0000L, 6 * GIB)), read().inbound());
    assertEquals(7, bytes.get(ValueLayout.JAVA_INT, HandOffLayout.HEADER_BLOCKS));
    assertEquals(6, bytes.get(ValueLayout.JAVA_INT, 4096 + 6 * 24));
  }

  @Test
  void portsForBarsMayBeSaid() {
    HandOff withPorts = GOOD.withPorts(new Range(0x6000, 0xa000));
    withPorts.write(bytes);
    assertEquals(withPorts, read());
    assertEquals(Optional.of(new Range(0x6000, 0xa000)), read().ports());
    assertEquals(7, bytes.get(ValueLayout.JAVA_INT, HandOffLayout.HEADER_BLOCKS));
    assertEquals(8, bytes.get(ValueLayout.JAVA_INT, 4096 + 6 * 24));
    HandOffException refused =
        assertThrows(HandOffException.class, () -> GOOD.withPorts(new Range(0x6000, 0xa001)));
    assertTrue(refused.getMessage().contains("ports"), refused.getMessage());
    assertEquals(withPorts.ports(), withPorts.withRemapping(new Range(0xFED9_0000L, 4096)).ports());
  }

  @Test
  void allRamIsInBusMastersReachAndMeetsNoRegisterOnTheBus() {
    refusesInbound("whole pages", new Range(0x8000_0001L, 6 * GIB));
    refusesInbound("whole pages", new Range(0x8000_0000L, 6 * GIB + 1));
    refusesInbound("reach", new Range(0x8000_0000L, 6 * GIB - 4096));
    refusesInbound("registers", new Range(0xB000_0000L, 6 * GIB));
    refusesInbound("registers", new Range(0xC000_0000L - 4096, 6 * GIB));
    refusesInbound("registers", new Range((1L << 40) - 5 * GIB, 6 * GIB));
  }

  private static void refusesInbound(String why, Range inbound) {
    HandOffException refused =
        assertThrows(
            HandOffException.class,
            () ->
                new HandOff(
                    GOOD.ram(),
                    GOOD.firmware(),
                    GOOD.ecam(),
                    GOOD.mmio32(),
                    GOOD.mmio64(),
                    Optional.of(inbound)));
    assertTrue(refused.getMessage().contains(why), refused.getMessage());
  }

  @Test
  void randomDamageIsRefusedWithTheOneException() {
    SplittableRandom random = Seed.random("HandOffTest");
    for (int round = 0; round < 20_000; round++) {
      GOOD.write(bytes);
      for (int changes = random.nextInt(1, 5); changes > 0; changes--) {
        int at = random.nextBoolean() ? random.nextInt(24) : 4096 + random.nextInt(6 * 24);
        bytes.set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt());
      }
      sign();
      try {
        HandOff read = read();
        // What survives the damage means what it says.
        read.write(bytes);
        assertEquals(read, read());
      } catch (HandOffException expected) {
        // Refused.
      }
    }
  }

  private HandOff read() {
    return HandOff.read(memory, HandOffLayout.ADDRESS);
  }

  private void refusesSigned(Consumer<ByteBuffer> damage, String why) {
    GOOD.write(bytes);
    damage.accept(bytes.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN));
    sign();
    try {
      read();
    } catch (HandOffException refused) {
      assertTrue(refused.getMessage().contains(why), refused.getMessage());
      return;
    }
    fail("accepted: " + why);
  }

  /** Makes the checksum right, if the length says over what. */
  private void sign() {
    ByteBuffer buffer = bytes.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    int total = buffer.getInt(HandOffLayout.HEADER_TOTAL_LENGTH);
    if (total >= 4096 && total <= bytes.byteSize()) {
      buffer.putInt(HandOffLayout.HEADER_CRC32C, 0);
      CRC32C crc = new CRC32C();
      crc.update(buffer.slice(0, total));
      buffer.putInt(HandOffLayout.HEADER_CRC32C, (int) crc.getValue());
    }
  }

  private static void refuses(
      String why, List<Range> ram, Range firmware, Range ecam, Range mmio32, Range mmio64) {
    HandOffException refused =
        assertThrows(
            HandOffException.class, () -> new HandOff(ram, firmware, ecam, mmio32, mmio64));
    assertTrue(refused.getMessage().contains(why), refused.getMessage());
  }

  @Test
  void ramIsWhereTheRangesAreAndRangesThatTouchAreAsOne() {
    HandOff handOff =
        HandOffs.withRam(
            List.of(
                new Range(0, 16 << 20), new Range(16 << 20, 1 << 20), new Range(1L << 32, 4096)));
    assertTrue(handOff.isRam(0, 17 << 20));
    assertTrue(handOff.isRam((16 << 20) - 1, 2));
    assertTrue(handOff.isRam(1L << 32, 4096));
    assertFalse(handOff.isRam((17 << 20) - 1, 2));
    assertFalse(handOff.isRam((1L << 32) - 1, 2));
    assertFalse(handOff.isRam(0, 0));
    assertFalse(handOff.isRam(0, -1));
    assertFalse(handOff.isRam(-1, 2));
    assertFalse(handOff.isRam(4096, Long.MAX_VALUE));
    assertFalse(handOff.isRam(Long.MAX_VALUE, 1));
  }
}
