package dev.virtiolab.firmware.uefi;

/** EFI_TIMER_DELAY: UEFI Specification 2.10, 7.1.7 "EFI_BOOT_SERVICES.SetTimer()". */
public enum TimerDelay {
  CANCEL,
  PERIODIC,
  RELATIVE
}
