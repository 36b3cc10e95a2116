package dev.virtiolab.virtio.queue;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import java.lang.foreign.MemorySegment;

/**
 * A range of bus addresses that holds a ring or a table, seen through one window.
 *
 * <p>Where the area is contiguous in plain memory, the window holds all of it and is resolved again
 * only when a mapping changes. Where its pages are scattered, the window moves from page to page:
 * the same code, slower.
 */
final class RingArea {
  private final BusMemory memory;
  private final DmaAccess access;
  private final DmaWindow window = new DmaWindow();
  private long address;

  RingArea(BusMemory memory, DmaAccess access) {
    this.memory = memory;
    this.access = access;
  }

  /** Places the area; the caller has seen that it does not run over the end of the addresses. */
  void place(long address) {
    this.address = address;
  }

  /** Forgets the mapping that was resolved. */
  void clear() {
    window.clear();
  }

  /** Bus address of the area. */
  long address() {
    return address;
  }

  /**
   * Finds a field.
   *
   * @return its offset in {@link #segment()}, which this may have changed; -1 if the device may not
   *     access it there, see {@link #fault()}, or it lies across two windows
   */
  long locate(long offset, int bytes, long generation) {
    long at = address + offset;
    if (window.covers(at, bytes, generation)) {
      return window.offset(at);
    }
    return resolve(at, bytes);
  }

  private long resolve(long at, int bytes) {
    if (!memory.resolve(at, access, window)) {
      return -1;
    }
    return window.remaining(at) >= bytes ? window.offset(at) : -1;
  }

  /** A field that was stored where {@link #locate} has found it last is complete. */
  void stored(long offset, int bytes) {
    window.stored(address + offset, bytes);
  }

  MemorySegment segment() {
    return window.segment();
  }

  /** Why the last {@link #locate} found nothing; NONE if the field lies across two windows. */
  DmaFault fault() {
    return window.fault();
  }
}
