package dev.virtiolab.pci.function;

import dev.virtiolab.pci.config.Type0Layout;
import dev.virtiolab.pci.config.Type1Layout;

/** Layout of the header's second part (PCI Local Bus 3.0, 6.2.1, register Header Type). */
public enum HeaderType {
  ENDPOINT(0, Type0Layout.BARS),
  BRIDGE(1, Type1Layout.BARS);

  private final int code;
  private final int bars;

  HeaderType(int code, int bars) {
    this.code = code;
    this.bars = bars;
  }

  /** As in the register. */
  public int code() {
    return code;
  }

  /** Number of base address registers. */
  public int bars() {
    return bars;
  }
}
