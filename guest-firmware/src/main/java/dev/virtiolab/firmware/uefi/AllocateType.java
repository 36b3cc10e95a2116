package dev.virtiolab.firmware.uefi;

/** EFI_ALLOCATE_TYPE: UEFI Specification 2.10, 7.2.1 "EFI_BOOT_SERVICES.AllocatePages()". */
public enum AllocateType {
  ANY_PAGES,
  /** At or below the address that is passed in. */
  MAX_ADDRESS,
  /** Exactly at the address that is passed in. */
  ADDRESS
}
