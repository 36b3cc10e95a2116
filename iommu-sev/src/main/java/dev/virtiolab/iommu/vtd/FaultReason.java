package dev.virtiolab.iommu.vtd;

import dev.virtiolab.pci.memory.DmaFault;

/**
 * Why the unit refused an access: Intel VT-d Architecture Specification, 7.1.3 "Fault Conditions
 * and Remapping Hardware Behavior for Various Requests", legacy mode.
 */
public enum FaultReason {
  ROOT_NOT_PRESENT(0x1),
  CONTEXT_NOT_PRESENT(0x2),
  /** An address width or a translation type that the unit does not have; page tables not in RAM. */
  CONTEXT_INVALID(0x3),
  /** The bus address is wider than the context's tables. */
  ADDRESS_TOO_WIDE(0x4),
  /** The page, or a table above it, does not permit writing; nor reading, if it is not there. */
  WRITE_NOT_PERMITTED(0x5),
  READ_NOT_PERMITTED(0x6),
  /** A page table that another points to is not in RAM. */
  PAGE_TABLE_UNREACHABLE(0x7),
  ROOT_TABLE_UNREACHABLE(0x8),
  CONTEXT_TABLE_UNREACHABLE(0x9),
  ROOT_RESERVED(0xa),
  CONTEXT_RESERVED(0xb),
  PAGE_ENTRY_RESERVED(0xc),
  /** The page lies where messages to the interrupt controllers go. */
  PAGE_FOR_INTERRUPTS(0xe);

  private static final FaultReason[] BY_CODE = new FaultReason[16];

  static {
    for (FaultReason reason : values()) {
      BY_CODE[reason.code] = reason;
    }
  }

  private final int code;

  FaultReason(int code) {
    this.code = code;
  }

  /** As in a fault record's FR. */
  public int code() {
    return code;
  }

  static FaultReason of(int code) {
    return BY_CODE[code];
  }

  /** What the device is told. */
  DmaFault dmaFault(boolean pagePresent) {
    boolean permission = this == WRITE_NOT_PERMITTED || this == READ_NOT_PERMITTED;
    return permission && pagePresent ? DmaFault.NOT_PERMITTED : DmaFault.NOT_MAPPED;
  }
}
