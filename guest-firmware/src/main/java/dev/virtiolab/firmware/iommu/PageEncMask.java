package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.PageAttributes;

/**
 * Changes of the C-bit, counted: the part of edk2's OvmfPkg/Library/BaseMemEncryptSevLib that the
 * driver uses. Neither direction converts a byte; what was in DRAM stays there and reads otherwise.
 */
final class PageEncMask {
  static final int PAGE_SHIFT = 12;
  static final int PAGE_BYTES = 1 << PAGE_SHIFT;

  private final PageAttributes attributes;
  private final DmaCounters counters;

  PageEncMask(PageAttributes attributes, DmaCounters counters) {
    this.attributes = attributes;
    this.counters = counters;
  }

  /** EFI_SIZE_TO_PAGES, for the whole unsigned range. */
  static long sizeToPages(long bytes) {
    return (bytes >>> PAGE_SHIFT) + ((bytes & (PAGE_BYTES - 1)) == 0 ? 0 : 1);
  }

  /** MemEncryptSevClearPageEncMask: shared from now on. No pages at all is INVALID_PARAMETER. */
  EfiStatus clear(long address, long pages) {
    if (pages == 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    attributes.setShared(address, pages);
    counters.madeShared(pages);
    return EfiStatus.SUCCESS;
  }

  /** MemEncryptSevSetPageEncMask: private from now on. No pages at all is INVALID_PARAMETER. */
  EfiStatus set(long address, long pages) {
    if (pages == 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    attributes.setPrivate(address, pages);
    counters.madePrivate(pages);
    return EfiStatus.SUCCESS;
  }
}
