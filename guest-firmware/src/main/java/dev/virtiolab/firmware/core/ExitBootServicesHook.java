package dev.virtiolab.firmware.core;

/**
 * Two moments of ExitBootServices that UEFI gives nobody a way to learn of. The core calls both
 * itself, outside any event; a hook must not throw.
 */
public interface ExitBootServicesHook {

  /**
   * The map key was the current one: the call will succeed, and the memory map is the operating
   * system's from now on. No handler of the EXIT_BOOT_SERVICES group has run. Boot services still
   * work; memory must be neither allocated nor freed any more.
   */
  default void memoryMapAccepted() {}

  /** ExitBootServices is about to return success: every handler has run, boot services are gone. */
  default void aboutToReturn() {}
}
