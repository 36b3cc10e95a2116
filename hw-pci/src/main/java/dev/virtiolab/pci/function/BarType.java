package dev.virtiolab.pci.function;

import dev.virtiolab.pci.config.HeaderLayout;

/** What a base address register decodes (PCI Local Bus 3.0, 6.2.5.1 "Address Maps"). */
public enum BarType {
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

  /** Whether the register takes up two slots. */
  public boolean is64() {
    return (flags & HeaderLayout.BAR_MEMORY_64) != 0;
  }

  public boolean isPrefetchable() {
    return (flags & HeaderLayout.BAR_PREFETCHABLE) != 0;
  }
}
