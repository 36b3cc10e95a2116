package dev.virtiolab.firmware.uefi;

/** EFI_EVENT_NOTIFY: runs at the event's notify TPL. */
@FunctionalInterface
public interface EventNotify {
  void run(Event event, Object context);
}
