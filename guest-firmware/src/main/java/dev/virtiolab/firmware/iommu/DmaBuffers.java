package dev.virtiolab.firmware.iommu;

import java.util.ArrayList;
import java.util.List;

/**
 * The buffers that AllocateBuffer has given out. A driver allocates a handful of these; a search
 * from end to end is short.
 */
final class DmaBuffers {
  private final List<DmaBuffer> buffers = new ArrayList<>();

  void add(long hostAddress, long pages) {
    buffers.add(new DmaBuffer(hostAddress, pages));
  }

  /** The buffer that the whole of the range, which does not wrap, is in; null if it is in none. */
  DmaBuffer containing(long address, long bytes) {
    for (int i = 0; i < buffers.size(); i++) {
      DmaBuffer buffer = buffers.get(i);
      if (buffer.contains(address, bytes)) {
        return buffer;
      }
    }
    return null;
  }

  /**
   * Forgets a buffer that is to be freed.
   *
   * @return whether there is one of exactly these pages, and no mapping of it is open
   */
  boolean remove(long hostAddress, long pages) {
    for (int i = 0; i < buffers.size(); i++) {
      DmaBuffer buffer = buffers.get(i);
      if (buffer.hostAddress == hostAddress && buffer.pages == pages && buffer.mapped == 0) {
        buffers.remove(i);
        return true;
      }
    }
    return false;
  }
}
