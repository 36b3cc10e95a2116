package dev.virtiolab.firmware.handoff;

import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;

/** Turns a hand-off into bytes and back: {@link HandOffLayout}. */
final class HandOffCodec {
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int MAX_LENGTH =
      HandOffLayout.HEADER_LENGTH + HandOffLayout.MAX_BLOCKS * HandOffLayout.BLOCK_BYTES;

  private HandOffCodec() {}

  static void write(HandOff handOff, MemorySegment target) {
    target.fill((byte) 0);
    long end = HandOffLayout.HEADER_LENGTH;
    for (HandOff.Range ram : handOff.ram()) {
      end = writeBlock(target, end, HandOffLayout.TYPE_RAM, ram);
    }
    end = writeBlock(target, end, HandOffLayout.TYPE_FIRMWARE, handOff.firmware());
    end = writeBlock(target, end, HandOffLayout.TYPE_ECAM, handOff.ecam());
    end = writeBlock(target, end, HandOffLayout.TYPE_MMIO32, handOff.mmio32());
    end = writeBlock(target, end, HandOffLayout.TYPE_MMIO64, handOff.mmio64());
    if (handOff.inbound().isPresent()) {
      end = writeBlock(target, end, HandOffLayout.TYPE_INBOUND, handOff.inbound().get());
    }
    if (handOff.remapping().isPresent()) {
      end = writeBlock(target, end, HandOffLayout.TYPE_REMAPPING, handOff.remapping().get());
    }
    if (handOff.ports().isPresent()) {
      end = writeBlock(target, end, HandOffLayout.TYPE_PORTS, handOff.ports().get());
    }
    long blocks = (end - HandOffLayout.HEADER_LENGTH) / HandOffLayout.BLOCK_BYTES;
    target.set(LONG, HandOffLayout.HEADER_MAGIC, HandOffLayout.MAGIC);
    target.set(INT, HandOffLayout.HEADER_VERSION, HandOffLayout.VERSION);
    target.set(INT, HandOffLayout.HEADER_TOTAL_LENGTH, (int) end);
    target.set(INT, HandOffLayout.HEADER_BLOCKS, (int) blocks);
    target.set(INT, HandOffLayout.HEADER_CRC32C, crc(target.asSlice(0, end)));
  }

  static HandOff read(CpuMemory memory, long address) {
    // The hypervisor may own this memory: its bytes are fetched once, and only the copy is used.
    MemorySegment header = fetch(memory, address, HandOffLayout.HEADER_LENGTH);
    expect("magic", HandOffLayout.MAGIC, header.get(LONG, HandOffLayout.HEADER_MAGIC));
    expect("version", HandOffLayout.VERSION, header.get(INT, HandOffLayout.HEADER_VERSION));
    int total = header.get(INT, HandOffLayout.HEADER_TOTAL_LENGTH);
    int blocks = header.get(INT, HandOffLayout.HEADER_BLOCKS);
    if (total < HandOffLayout.HEADER_LENGTH || total > MAX_LENGTH) {
      throw new HandOffException("total length out of range: " + total);
    }
    if (blocks < 0
        || blocks > HandOffLayout.MAX_BLOCKS
        || total != HandOffLayout.HEADER_LENGTH + blocks * HandOffLayout.BLOCK_BYTES) {
      throw new HandOffException(
          "blocks do not fill the total length: blocks=" + blocks + " total=" + total);
    }
    MemorySegment all = MemorySegment.ofArray(new byte[total]);
    int rest = total - HandOffLayout.HEADER_LENGTH;
    all.copyFrom(header);
    MemorySegment.copy(
        fetch(memory, address + HandOffLayout.HEADER_LENGTH, rest),
        0,
        all,
        HandOffLayout.HEADER_LENGTH,
        rest);
    expect("CRC-32C", crc(all), all.get(INT, HandOffLayout.HEADER_CRC32C));
    for (int at = HandOffLayout.HEADER_RESERVED; at < HandOffLayout.HEADER_LENGTH; at++) {
      expect("reserved byte at " + at, 0, all.get(ValueLayout.JAVA_BYTE, at));
    }
    return parseBlocks(all, blocks);
  }

  private static HandOff parseBlocks(MemorySegment all, int blocks) {
    List<HandOff.Range> ram = new ArrayList<>();
    HandOff.Range[] once = new HandOff.Range[HandOffLayout.TYPE_PORTS + 1];
    for (int i = 0; i < blocks; i++) {
      long at = HandOffLayout.HEADER_LENGTH + (long) i * HandOffLayout.BLOCK_BYTES;
      int type = all.get(INT, at + HandOffLayout.BLOCK_TYPE);
      expect(
          "length of block " + i,
          HandOffLayout.BLOCK_BYTES,
          all.get(INT, at + HandOffLayout.BLOCK_LENGTH));
      HandOff.Range range =
          new HandOff.Range(
              all.get(LONG, at + HandOffLayout.BLOCK_BASE),
              all.get(LONG, at + HandOffLayout.BLOCK_SIZE));
      switch (type) {
        case HandOffLayout.TYPE_RAM -> ram.add(range);
        case HandOffLayout.TYPE_FIRMWARE,
            HandOffLayout.TYPE_ECAM,
            HandOffLayout.TYPE_MMIO32,
            HandOffLayout.TYPE_MMIO64,
            HandOffLayout.TYPE_INBOUND,
            HandOffLayout.TYPE_REMAPPING,
            HandOffLayout.TYPE_PORTS -> {
          if (once[type] != null) {
            throw new HandOffException("second block of type " + type);
          }
          once[type] = range;
        }
        default -> throw new HandOffException("unknown type of block " + i + ": " + type);
      }
    }
    for (int type = HandOffLayout.TYPE_FIRMWARE; type <= HandOffLayout.TYPE_MMIO64; type++) {
      if (once[type] == null) {
        throw new HandOffException("no block of type " + type);
      }
    }
    return new HandOff(
        ram,
        once[HandOffLayout.TYPE_FIRMWARE],
        once[HandOffLayout.TYPE_ECAM],
        once[HandOffLayout.TYPE_MMIO32],
        once[HandOffLayout.TYPE_MMIO64],
        Optional.ofNullable(once[HandOffLayout.TYPE_INBOUND]),
        Optional.ofNullable(once[HandOffLayout.TYPE_REMAPPING]),
        Optional.ofNullable(once[HandOffLayout.TYPE_PORTS]));
  }

  private static long writeBlock(MemorySegment target, long at, int type, HandOff.Range range) {
    target.set(INT, at + HandOffLayout.BLOCK_TYPE, type);
    target.set(INT, at + HandOffLayout.BLOCK_LENGTH, HandOffLayout.BLOCK_BYTES);
    target.set(LONG, at + HandOffLayout.BLOCK_BASE, range.base());
    target.set(LONG, at + HandOffLayout.BLOCK_SIZE, range.length());
    return at + HandOffLayout.BLOCK_BYTES;
  }

  private static MemorySegment fetch(CpuMemory memory, long address, int length) {
    MemorySegment copy = MemorySegment.ofArray(new byte[length]);
    try {
      memory.read(address, copy, 0, length);
    } catch (IndexOutOfBoundsException outside) {
      throw new HandOffException("not in RAM: address=0x%x".formatted(address), outside);
    }
    return copy;
  }

  private static int crc(MemorySegment bytes) {
    byte[] copy = bytes.toArray(ValueLayout.JAVA_BYTE);
    MemorySegment.ofArray(copy).set(INT, HandOffLayout.HEADER_CRC32C, 0);
    CRC32C crc = new CRC32C();
    crc.update(copy);
    return (int) crc.getValue();
  }

  private static void expect(String what, long expected, long actual) {
    if (expected != actual) {
      throw new HandOffException("%s: expected=0x%x actual=0x%x".formatted(what, expected, actual));
    }
  }
}
