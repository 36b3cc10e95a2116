package dev.virtiolab.pci.cpu;

/**
 * The CPU's data cache, where bus masters do not look into it: what a guest must do by hand that
 * coherent hardware does by itself. On such a board {@link CpuMemory} is memory through this cache.
 *
 * <p>A range stands for every line that it touches, whole. Addresses are guest-physical; a range
 * outside RAM, or a negative length, throws {@link IndexOutOfBoundsException} and nothing has
 * changed. An empty range is nothing. Maintenance is by address and does not ask for the page's
 * attribute: it reaches lines that are still in the cache from before the page became uncached.
 */
public interface CpuCache {

  /** Bytes in a line, a power of two; a line begins at a multiple of it. */
  int lineBytes();

  /** Copies dirty lines to memory; they stay in the cache, clean. */
  void writeBack(long address, long length);

  /** Forgets lines. What was dirty in them is lost. */
  void invalidate(long address, long length);

  /** Copies dirty lines to memory, and forgets all. */
  void writeBackInvalidate(long address, long length);

  /**
   * Makes pages uncached: from now on the CPU's accesses to them go to memory itself. Lines of them
   * that are in the cache stay there, out of the CPU's sight: write them back and invalidate them
   * first, or they are stale, and what was dirty is missing from memory.
   *
   * @param address of the first page, a multiple of 4 KiB
   * @param pages of 4 KiB
   * @throws IllegalArgumentException if {@code address} is not a multiple of 4 KiB
   */
  void setUncached(long address, long pages);

  /**
   * Makes pages cached, as all are at first. Lines of them that are still in the cache from before
   * are seen again.
   *
   * @throws IllegalArgumentException as {@link #setUncached}
   */
  void setCached(long address, long pages);

  /** Whether the page that holds {@code address} is uncached. */
  boolean isUncached(long address);
}
