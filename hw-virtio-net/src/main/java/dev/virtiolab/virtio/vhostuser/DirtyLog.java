package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.pci.memory.PhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The front-end's bitmap of guest pages that were written (vhost-user.rst, "Migration"): bit {@code
 * page % 8} of byte {@code page / 8}.
 *
 * <p>The front-end reads and clears it meanwhile, so bits are set atomically: in words of 32 bits,
 * whose bytes are in the order of the bitmap on a little-endian machine.
 */
final class DirtyLog {
  private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
  private static final int PAGE_SHIFT = Long.numberOfTrailingZeros(PhysicalMemory.PAGE_BYTES);
  private static final int PAGES_PER_WORD = Integer.SIZE;

  private final MappedFiles.Lease file;
  private final MemorySegment words;
  private long beyond;

  /**
   * @param file held until {@link #release}
   * @param offset where the log begins in it, a multiple of 4
   * @param bytes of the log, a multiple of 4
   */
  DirtyLog(MappedFiles.Lease file, long offset, long bytes) {
    this.file = file;
    words = file.segment().asSlice(offset, bytes);
  }

  /** Pages that it has a bit for. */
  long pages() {
    return words.byteSize() * Byte.SIZE;
  }

  /** Notes that {@code length} bytes were written, at least 1; allocates nothing. */
  void mark(long guestAddress, long length) {
    long last = guestAddress + length - 1 >>> PAGE_SHIFT;
    for (long page = guestAddress >>> PAGE_SHIFT; page <= last; page++) {
      if (page >= pages()) {
        beyond++;
        return;
      }
      long word = page / PAGES_PER_WORD * Integer.BYTES;
      int bit = 1 << (int) (page % PAGES_PER_WORD);
      // Most pages are dirty already: a look costs less than an atomic or.
      if (((int) WORD.getOpaque(words, word) & bit) == 0) {
        // Release, and after the write that it tells of: who clears the bit and then reads the page
        // finds what was written.
        WORD.getAndBitwiseOrRelease(words, word, bit);
      }
    }
  }

  /** Writes that it has no bits for. */
  long beyond() {
    return beyond;
  }

  void release() {
    file.release();
  }
}
