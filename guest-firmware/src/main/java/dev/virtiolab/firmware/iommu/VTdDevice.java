package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.Handle;

/** A device behind the unit: a source id with a domain and page tables of its own. */
final class VTdDevice {
  final Handle handle;

  /** {@code bus << 8 | device << 3 | function}. */
  final int sourceId;

  final int domain;

  long pageTable;

  // The table that was used last, and which pages are in it; 0 if none was.
  long leafTable;
  long leafBlock;

  VTdDevice(Handle handle, int sourceId, int domain) {
    this.handle = handle;
    this.sourceId = sourceId;
    this.domain = domain;
  }
}
