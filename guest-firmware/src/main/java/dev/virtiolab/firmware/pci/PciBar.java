package dev.virtiolab.firmware.pci;

/**
 * One base address register, as found by sizing it: PCI Local Bus Specification 3.0, 6.2.5.1
 * "Address Maps". The upper half of a 64-bit BAR has an entry of its own, of kind NONE.
 */
final class PciBar implements Resource {
  /** What the BAR decodes. */
  enum Kind {
    NONE,
    IO,
    MEMORY
  }

  /** A BAR that is not there. */
  static final PciBar ABSENT = new PciBar(0, Kind.NONE, false, false, false, 0);

  /** BARs are kept apart by pages, so that each can be handed to somebody else. */
  private static final long LEAST_ALIGNMENT = 4096;

  final int offset;
  final Kind kind;
  final boolean is64;
  final boolean prefetchable;

  /** Whether an address above 4 GiB would stick. */
  final boolean reachesAbove4G;

  final long length;
  private long address;
  private boolean assigned;

  PciBar(
      int offset,
      Kind kind,
      boolean is64,
      boolean reachesAbove4G,
      boolean prefetchable,
      long length) {
    this.offset = offset;
    this.kind = kind;
    this.is64 = is64;
    this.reachesAbove4G = reachesAbove4G;
    this.prefetchable = prefetchable;
    this.length = length;
  }

  /** Whether the BAR is there and has an address. */
  boolean isAssigned() {
    return assigned;
  }

  long address() {
    return address;
  }

  @Override
  public long size() {
    return length;
  }

  @Override
  public long alignment() {
    return kind == Kind.IO ? length : Math.max(length, LEAST_ALIGNMENT);
  }

  @Override
  public void place(long base) {
    address = base;
    assigned = true;
  }

  /** Whether {@code [offset, offset + bytes)} lies within the BAR. */
  boolean contains(long offsetInBar, int bytes) {
    return offsetInBar >= 0 && offsetInBar <= length - bytes;
  }
}
