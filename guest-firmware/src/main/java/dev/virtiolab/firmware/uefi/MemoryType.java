package dev.virtiolab.firmware.uefi;

/**
 * EFI_MEMORY_TYPE, in its numeric order: UEFI Specification 2.10, 7.2 "Memory Allocation Services".
 */
public enum MemoryType {
  RESERVED,
  LOADER_CODE,
  LOADER_DATA,
  BOOT_SERVICES_CODE,
  BOOT_SERVICES_DATA,
  RUNTIME_SERVICES_CODE,
  RUNTIME_SERVICES_DATA,
  CONVENTIONAL,
  UNUSABLE,
  ACPI_RECLAIM,
  ACPI_NVS,
  MEMORY_MAPPED_IO,
  MEMORY_MAPPED_IO_PORT_SPACE,
  PAL_CODE,
  PERSISTENT,
  UNACCEPTED
}
