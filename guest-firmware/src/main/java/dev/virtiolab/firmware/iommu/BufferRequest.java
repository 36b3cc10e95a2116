package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;

/**
 * What AllocateBuffer refuses before it looks for memory, whoever implements it: the IOMMU drivers,
 * and the root bridge where there is none.
 */
public final class BufferRequest {
  /**
   * EDKII_IOMMU_ATTRIBUTE_VALID_FOR_ALLOCATE_BUFFER, which has the bits of
   * EFI_PCI_ATTRIBUTE_VALID_FOR_ALLOCATE_BUFFER.
   */
  private static final long VALID_ATTRIBUTES =
      IoMmu.ATTRIBUTE_MEMORY_WRITE_COMBINE
          | IoMmu.ATTRIBUTE_MEMORY_CACHED
          | IoMmu.ATTRIBUTE_DUAL_ADDRESS_CYCLE;

  private BufferRequest() {}

  /**
   * @return UNSUPPORTED for an attribute that means nothing here; INVALID_PARAMETER without a place
   *     for the address, and for memory that is not boot or runtime services data; else SUCCESS
   */
  public static EfiStatus check(MemoryType memoryType, LongRef hostAddress, long attributes) {
    if ((attributes & ~VALID_ATTRIBUTES) != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    if (hostAddress == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (memoryType != MemoryType.BOOT_SERVICES_DATA
        && memoryType != MemoryType.RUNTIME_SERVICES_DATA) {
      return EfiStatus.INVALID_PARAMETER;
    }
    return EfiStatus.SUCCESS;
  }
}
