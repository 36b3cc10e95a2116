package dev.virtiolab.virtio.queue;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import java.lang.foreign.MemorySegment;

/**
 * Copies between local memory and ranges of bus addresses, in one direction, through a window that
 * it keeps from call to call.
 */
final class DmaCopier {
  private final BusMemory memory;
  private final DmaAccess access;
  private final DmaWindow window = new DmaWindow();

  DmaCopier(BusMemory memory, DmaAccess access) {
    this.memory = memory;
    this.access = access;
  }

  void clear() {
    window.clear();
  }

  /**
   * Copies {@code length} bytes: from memory for READ, to memory for WRITE. What lies before the
   * address that faults has been copied.
   *
   * @param address first bus address; the range does not run over the end of the addresses
   * @return NONE, or why an address did not resolve
   */
  DmaFault copy(long address, MemorySegment local, long localOffset, long length, long generation) {
    long at = address;
    long to = localOffset;
    long left = length;
    while (left > 0) {
      // Bounded: each turn copies at least one byte, and a window is a page or more.
      long now;
      if (window.covers(at, left, generation)) {
        now = left;
      } else if (memory.resolve(at, access, window)) {
        now = Math.min(left, window.remaining(at));
      } else {
        return window.fault();
      }
      if (access == DmaAccess.READ) {
        MemorySegment.copy(window.segment(), window.offset(at), local, to, now);
      } else {
        MemorySegment.copy(local, to, window.segment(), window.offset(at), now);
        window.stored(at, now);
      }
      at += now;
      to += now;
      left -= now;
    }
    return DmaFault.NONE;
  }
}
