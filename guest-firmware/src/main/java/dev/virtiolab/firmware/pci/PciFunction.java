package dev.virtiolab.firmware.pci;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A function that answered: PCI_IO_DEVICE in edk2, as far as enumeration fills it in. */
final class PciFunction {
  static final int BARS = 6;

  final int bus;
  final int device;
  final int function;

  /** The bridge above, or null on bus 0. */
  final PciFunction parent;

  final List<PciFunction> children = new ArrayList<>();
  final PciBar[] bars = new PciBar[BARS];
  boolean isBridge;
  boolean isPciExpress;

  // A bridge's
  int secondaryBus;
  boolean hasPrefetchableWindow;
  boolean prefetchableIs64;
  BridgeWindow memoryWindow = new BridgeWindow();
  BridgeWindow prefetchableWindow = new BridgeWindow();

  /** The function's PciIo, once it is installed. */
  PciIoInstance pciIo;

  PciFunction(int bus, int device, int function, PciFunction parent) {
    this.bus = bus;
    this.device = device;
    this.function = function;
    this.parent = parent;
    Arrays.fill(bars, PciBar.ABSENT);
  }

  /** Bytes of its largest memory BAR. */
  long largestBar() {
    long largest = 0;
    for (PciBar bar : bars) {
      if (bar.kind == PciBar.Kind.MEMORY) {
        largest = Math.max(largest, bar.length);
      }
    }
    return largest;
  }
}
