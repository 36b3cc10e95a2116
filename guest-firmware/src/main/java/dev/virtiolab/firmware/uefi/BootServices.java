package dev.virtiolab.firmware.uefi;

import java.util.List;
import java.util.UUID;

/**
 * EFI_BOOT_SERVICES: UEFI Specification 2.10, chapter 7 "Services - Boot Services". What the lab's
 * firmware has no use for (images, variables, device paths) is not here.
 */
public interface BootServices {

  // 7.1 Event, Timer, and Task Priority Services

  /**
   * Raises the task priority. Raising to a lower level than the present one is a bug and throws
   * {@link IllegalStateException}: the specification leaves it undefined.
   *
   * @return the level before
   */
  int raiseTpl(int newTpl);

  /** Restores a level that {@link #raiseTpl} returned; pending notifications above it run first. */
  void restoreTpl(int oldTpl);

  /** The present task priority level. */
  int currentTpl();

  EfiStatus createEvent(
      int type, int notifyTpl, EventNotify notify, Object context, Ref<Event> event);

  /**
   * @param group the group to join, or null for none
   */
  EfiStatus createEventEx(
      int type, int notifyTpl, EventNotify notify, Object context, UUID group, Ref<Event> event);

  /**
   * @param triggerTime 100 ns units
   */
  EfiStatus setTimer(Event event, TimerDelay type, long triggerTime);

  EfiStatus signalEvent(Event event);

  /** Waits, letting time pass, until one of {@code events} is signalled. */
  EfiStatus waitForEvent(IntRef index, Event... events);

  EfiStatus checkEvent(Event event);

  EfiStatus closeEvent(Event event);

  // 7.2 Memory Allocation Services

  /**
   * @param memory in for {@link AllocateType#MAX_ADDRESS} and {@link AllocateType#ADDRESS}; out:
   *     the guest-physical address of the first page
   */
  EfiStatus allocatePages(AllocateType type, MemoryType memoryType, long pages, LongRef memory);

  EfiStatus freePages(long memory, long pages);

  /**
   * @param mapSize in: bytes the caller has room for; out: bytes the map takes
   * @param map out: the descriptors, ascending; untouched on BUFFER_TOO_SMALL
   * @param mapKey out, also on BUFFER_TOO_SMALL
   */
  EfiStatus getMemoryMap(LongRef mapSize, Ref<List<MemoryDescriptor>> map, LongRef mapKey);

  EfiStatus allocatePool(MemoryType memoryType, long size, LongRef buffer);

  EfiStatus freePool(long buffer);

  // 7.3 Protocol Handler Services

  /**
   * @param handle in: the handle to install on, or a null value for a new one; out: the handle
   */
  <T> EfiStatus installProtocolInterface(Ref<Handle> handle, Protocol<T> protocol, T iface);

  <T> EfiStatus uninstallProtocolInterface(Handle handle, Protocol<T> protocol, T iface);

  /**
   * @param agent who opens: a driver binding handle
   * @param controller for whom
   * @param attributes of {@link OpenAttribute}
   */
  <T> EfiStatus openProtocol(
      Handle handle,
      Protocol<T> protocol,
      Ref<T> iface,
      Handle agent,
      Handle controller,
      int attributes);

  EfiStatus closeProtocol(Handle handle, Protocol<?> protocol, Handle agent, Handle controller);

  <T> EfiStatus handleProtocol(Handle handle, Protocol<T> protocol, Ref<T> iface);

  /**
   * @param handles out: every handle that carries {@code protocol}, in order of installation
   */
  EfiStatus locateHandleBuffer(Protocol<?> protocol, Ref<List<Handle>> handles);

  <T> EfiStatus locateProtocol(Protocol<T> protocol, Ref<T> iface);

  /** Connects drivers to the controller, and with {@code recursive} to its children. */
  EfiStatus connectController(Handle controller, boolean recursive);

  EfiStatus disconnectController(Handle controller);

  // 7.4 Image Services

  /** Hands the machine over; see the core's class comment for the order of steps. */
  EfiStatus exitBootServices(long mapKey);

  // 7.5 Miscellaneous Boot Services

  /**
   * Lets {@code microseconds} pass; device and timers go on, notifications at the present TPL do
   * not.
   */
  EfiStatus stall(long microseconds);
}
