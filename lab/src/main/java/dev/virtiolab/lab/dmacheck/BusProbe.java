package dev.virtiolab.lab.dmacheck;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;

/**
 * Between a device and memory: tells of each access. It hands out windows of a few bytes, or a
 * page, that are stale at once, so that the device comes back for every piece of what it reads or
 * writes.
 */
public final class BusProbe implements BusMemory {
  /** Told of an access, after the fact. */
  @FunctionalInterface
  public interface Listener {
    /**
     * @param address the first bus address of a piece
     * @param outcome NONE, or why it was refused
     */
    void accessed(long address, DmaAccess access, DmaFault outcome);
  }

  /** Bytes in a descriptor, the largest thing that must not be cut: the smallest piece. */
  static final int DESCRIPTOR = 16;

  /** No generation is ever 0: a window that bears it must be resolved again. */
  private static final long STALE = 0;

  private final BusMemory platform;
  private final int pieceBytes;
  private final Listener listener;

  /**
   * @param pieceBytes how far a window reaches at most, and where it ends: a power of two of at
   *     least 16
   */
  public BusProbe(BusMemory platform, int pieceBytes, Listener listener) {
    this.platform = platform;
    this.pieceBytes = pieceBytes;
    this.listener = listener;
  }

  @Override
  public MappingGeneration generation() {
    return platform.generation();
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    boolean resolved = platform.resolve(address, access, window);
    listener.accessed(address, access, window.fault());
    if (resolved) {
      long toBoundary = pieceBytes - (address & (pieceBytes - 1));
      long bytes = Math.min(toBoundary, window.remaining(address));
      window.resolved(window.segment().asSlice(window.offset(address), bytes), address, STALE);
    }
    return resolved;
  }
}
