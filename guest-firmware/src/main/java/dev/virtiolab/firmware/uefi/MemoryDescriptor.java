package dev.virtiolab.firmware.uefi;

/**
 * EFI_MEMORY_DESCRIPTOR: UEFI Specification 2.10, 7.2.3 "EFI_BOOT_SERVICES.GetMemoryMap()".
 *
 * @param physicalStart first address of the range, a multiple of 4 KiB
 * @param pages 4 KiB pages in the range
 */
public record MemoryDescriptor(MemoryType type, long physicalStart, long pages, long attribute) {

  /** Bytes that a descriptor takes in a map: more than its fields, so that callers must use it. */
  public static final int SIZE = 48;

  /** One past the last address. */
  public long limit() {
    return physicalStart + (pages << 12);
  }
}
