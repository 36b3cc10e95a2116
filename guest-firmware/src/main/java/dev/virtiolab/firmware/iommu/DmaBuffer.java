package dev.virtiolab.firmware.iommu;

/** A buffer from AllocateBuffer, of a driver that needs to know no more of it. */
final class DmaBuffer {
  final long hostAddress;
  final long pages;

  /** Mappings of it that are open. */
  int mapped;

  DmaBuffer(long hostAddress, long pages) {
    this.hostAddress = hostAddress;
    this.pages = pages;
  }

  /** Whether the whole of the range, which does not wrap, is in the buffer. */
  boolean contains(long address, long bytes) {
    long offset = address - hostAddress;
    long size = pages << PageEncMask.PAGE_SHIFT;
    return offset >= 0 && offset <= size && bytes <= size - offset;
  }
}
