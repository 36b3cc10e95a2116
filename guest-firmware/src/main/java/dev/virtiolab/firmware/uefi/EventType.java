package dev.virtiolab.firmware.uefi;

/** Types of events: UEFI Specification 2.10, 7.1.1 "EFI_BOOT_SERVICES.CreateEvent()". */
public final class EventType {
  public static final int TIMER = 0x8000_0000;
  public static final int RUNTIME = 0x4000_0000;
  public static final int NOTIFY_WAIT = 0x0000_0100;
  public static final int NOTIFY_SIGNAL = 0x0000_0200;
  public static final int SIGNAL_EXIT_BOOT_SERVICES = 0x0000_0201;
  public static final int SIGNAL_VIRTUAL_ADDRESS_CHANGE = 0x6000_0202;

  private EventType() {}
}
