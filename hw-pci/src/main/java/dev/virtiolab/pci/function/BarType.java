package dev.virtiolab.pci.function;

import dev.virtiolab.pci.config.HeaderLayout;

/** What a base address register decodes (PCI Local Bus 3.0, 6.2.5.1 "Address Maps"). */
public enum BarType {
  /** I/O ports. */
  IO(HeaderLayout.BAR_IO),
  MEMORY_32(0),
  MEMORY_32_PREFETCHABLE(HeaderLayout.BAR_PREFETCHABLE),
  MEMORY_64(HeaderLayout.BAR_MEMORY_64),
  MEMORY_64_PREFETCHABLE(HeaderLayout.BAR_MEMORY_64 | HeaderLayout.BAR_PREFETCHABLE);

  private final int flags;

  BarType(int flags) {
    this.flags = flags;
  }

  /** The read-only low bits of the register. */
  public int flags() {
    return flags;
  }

  /** The bits of the register that hold no address, whatever they read. */
  int flagBits() {
    return isIo() ? HeaderLayout.BAR_IO_FLAGS : HeaderLayout.BAR_FLAGS;
  }

  /** Whether it decodes I/O ports, and not memory. */
  public boolean isIo() {
    return this == IO;
  }

  /** Bytes that it decodes at least; as many as the flag bits can stand for, or more. */
  int leastBytes() {
    return isIo() ? 4 : 16;
  }

  /** Bytes that it decodes at most. */
  long mostBytes() {
    return isIo() ? 256 : is64() ? Long.MIN_VALUE >>> 1 : 1L << 31;
  }

  /** Whether the register takes up two slots. */
  public boolean is64() {
    return (flags & HeaderLayout.BAR_MEMORY_64) != 0;
  }

  public boolean isPrefetchable() {
    return (flags & HeaderLayout.BAR_PREFETCHABLE) != 0;
  }
}
