package dev.virtiolab.virtio.queue;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * A descriptor table in guest memory, and a private copy of the descriptor that was read last.
 *
 * <p>A descriptor is read as two 64-bit words, each exactly once; what is checked is the copy, and
 * only the copy is used. The driver may change the table meanwhile.
 */
final class DescriptorTable {
  private static final VarHandle LE64 =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private final RingArea area;
  private final DmaCopier reader;
  private final MemorySegment scratch =
      Arena.ofAuto().allocate(DescriptorLayout.BYTES, DescriptorLayout.BYTES);
  private DmaFault fault = DmaFault.NONE;
  private long address;
  private long rest;

  DescriptorTable(BusMemory memory) {
    area = new RingArea(memory, DmaAccess.READ);
    reader = new DmaCopier(memory, DmaAccess.READ);
  }

  void place(long tableAddress) {
    area.place(tableAddress);
  }

  void clear() {
    area.clear();
    reader.clear();
  }

  /**
   * Reads a descriptor.
   *
   * @return whether it could be read; {@link #fault()} says why not
   */
  boolean read(int index, long generation) {
    long offset = (long) index * DescriptorLayout.BYTES;
    if ((area.address() & (Long.BYTES - 1)) == 0) {
      long at = area.locate(offset, DescriptorLayout.BYTES, generation);
      if (at >= 0) {
        MemorySegment table = area.segment();
        // Opaque: one load for each word, never repeated. The acquire of avail.idx orders them.
        address = (long) LE64.getOpaque(table, at + DescriptorLayout.ADDR);
        rest = (long) LE64.getOpaque(table, at + DescriptorLayout.LEN);
        return true;
      }
      if (area.fault() != DmaFault.NONE) {
        fault = area.fault();
        return false;
      }
    }
    // An indirect table may lie anywhere, also at odd addresses and across scattered pages.
    fault = reader.copy(area.address() + offset, scratch, 0, DescriptorLayout.BYTES, generation);
    address = (long) LE64.get(scratch, DescriptorLayout.ADDR);
    rest = (long) LE64.get(scratch, DescriptorLayout.LEN);
    return fault == DmaFault.NONE;
  }

  /** Why the last {@link #read} failed. */
  DmaFault fault() {
    return fault;
  }

  /** {@code addr} of the copy. */
  long address() {
    return address;
  }

  /** {@code len} of the copy, from 0 to 2^32 - 1. */
  long length() {
    return rest & 0xFFFF_FFFFL;
  }

  /** {@code flags} of the copy. */
  int flags() {
    return (int) (rest >>> 32) & 0xFFFF;
  }

  /** {@code next} of the copy. */
  int next() {
    return (int) (rest >>> 48);
  }
}
