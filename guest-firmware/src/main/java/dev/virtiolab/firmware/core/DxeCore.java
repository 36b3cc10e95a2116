package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.OpenAttribute;
import dev.virtiolab.firmware.uefi.Protocol;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.TimerDelay;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * The core: it owns the services and hands each call to the one that answers it.
 *
 * <p>ExitBootServices (UEFI Specification 2.10, 7.4.6; edk2's DxeMain.c) takes these steps:
 *
 * <ol>
 *   <li>the BEFORE_EXIT_BOOT_SERVICES group, on the first call only;
 *   <li>the timer is switched off, and stays off if this call fails;
 *   <li>the map key is compared with the memory map's. If it is an old one, the
 *       EXIT_BOOT_SERVICES_FAILED group is signalled and the caller told INVALID_PARAMETER; it may
 *       fetch the map and call again;
 *   <li>hooks learn that the map is accepted ({@link ExitBootServicesHook}; not in edk2);
 *   <li>the EXIT_BOOT_SERVICES group. From here nothing can fail, and nobody looks at the map
 *       again: what a handler changes there stays unnoticed;
 *   <li>boot services are gone. A call to any of them, which on a real machine would jump through a
 *       zeroed table, throws {@link IllegalStateException};
 *   <li>hooks may act a last time (proposed on edk2-devel, and not adopted there).
 * </ol>
 *
 * A group's members run where its signal is raised if they notify above the caller's level; called
 * above APPLICATION, which the specification forbids, some would not run at all.
 */
public final class DxeCore implements BootServices {
  private final TplService tpl;
  private final EventService events;
  private final TimerService timers;
  private final IdleLoop idleLoop;
  private final PageAllocator pages;
  private final PoolAllocator pool;
  private final HandleDatabase handles;

  private final boolean checksKey;
  private final boolean locksMap;
  private final List<ExitBootServicesHook> exitHooks = new ArrayList<>();
  private boolean exitBootServicesCalled;
  private boolean gone;

  public DxeCore(CpuMemory memory, CpuClock clock, HandOff handOff) {
    this(memory, clock, handOff, CoreSetup.EDK2);
  }

  public DxeCore(CpuMemory memory, CpuClock clock, HandOff handOff, CoreSetup setup) {
    NotifyQueue queue = new NotifyQueue(setup);
    tpl = new TplService(queue, setup.dispatchObserver());
    events = new EventService(tpl, queue, setup);
    checksKey = !setup.has(CoreDefect.KEY_UNCHECKED);
    locksMap = !setup.has(CoreDefect.MAP_NOT_LOCKED);
    timers = new TimerService(clock, tpl, events);
    idleLoop = new IdleLoop(clock, tpl, events, timers);
    pages = new PageAllocator(tpl, events, handOff);
    pool = new PoolAllocator(tpl, pages, memory);
    handles = new HandleDatabase(tpl);
  }

  /** Whether ExitBootServices has succeeded. */
  public boolean bootServicesGone() {
    return gone;
  }

  /** Calls {@code hook} at ExitBootServices; of several, in the order in which they were added. */
  public void onExitBootServices(ExitBootServicesHook hook) {
    exitHooks.add(hook);
  }

  /** The key that the memory map has now, for who looks from outside when GetMemoryMap is gone. */
  public long memoryMapKey() {
    return pages.mapKey();
  }

  /** The memory map as it is now, likewise. */
  public List<MemoryDescriptor> memoryMap() {
    return pages.map();
  }

  @Override
  public EfiStatus exitBootServices(long mapKey) {
    requireBootServices("exitBootServices");
    if (!exitBootServicesCalled) {
      // Set only after the group has run, as in edk2: a member that calls here would run it again.
      events.signalGroup(EventGroups.BEFORE_EXIT_BOOT_SERVICES);
      exitBootServicesCalled = true;
    }
    timers.switchOff();
    if (checksKey && !pages.isCurrent(mapKey)) {
      events.signalGroup(EventGroups.EXIT_BOOT_SERVICES_FAILED);
      return EfiStatus.INVALID_PARAMETER;
    }
    if (locksMap) {
      exitHooks.forEach(ExitBootServicesHook::memoryMapAccepted);
    }
    events.signalGroup(EventGroups.EXIT_BOOT_SERVICES);
    gone = true;
    exitHooks.forEach(ExitBootServicesHook::aboutToReturn);
    return EfiStatus.SUCCESS;
  }

  @Override
  public int raiseTpl(int newTpl) {
    requireBootServices("raiseTpl");
    return tpl.raise(newTpl);
  }

  @Override
  public void restoreTpl(int oldTpl) {
    requireBootServices("restoreTpl");
    tpl.restore(oldTpl);
  }

  @Override
  public int currentTpl() {
    requireBootServices("currentTpl");
    return tpl.current();
  }

  @Override
  public EfiStatus createEvent(
      int type, int notifyTpl, EventNotify notify, Object context, Ref<Event> event) {
    return createEventEx(type, notifyTpl, notify, context, null, event);
  }

  @Override
  public EfiStatus createEventEx(
      int type, int notifyTpl, EventNotify notify, Object context, UUID group, Ref<Event> event) {
    requireBootServices("createEvent");
    return events.create(type, notifyTpl, notify, context, group, event);
  }

  @Override
  public EfiStatus setTimer(Event event, TimerDelay type, long triggerTime) {
    requireBootServices("setTimer");
    return timers.setTimer(event, type, triggerTime);
  }

  @Override
  public EfiStatus signalEvent(Event event) {
    requireBootServices("signalEvent");
    return events.signal(event);
  }

  @Override
  public EfiStatus waitForEvent(IntRef index, Event... waitedFor) {
    requireBootServices("waitForEvent");
    return idleLoop.waitForEvent(index, waitedFor);
  }

  @Override
  public EfiStatus checkEvent(Event event) {
    requireBootServices("checkEvent");
    return events.check(event);
  }

  @Override
  public EfiStatus closeEvent(Event event) {
    requireBootServices("closeEvent");
    CoreEvent valid = EventService.valid(event);
    if (valid != null) {
      timers.cancel(valid);
    }
    return events.close(event);
  }

  @Override
  public EfiStatus allocatePages(
      AllocateType type, MemoryType memoryType, long count, LongRef memory) {
    requireBootServices("allocatePages");
    return pages.allocate(type, memoryType, count, memory);
  }

  @Override
  public EfiStatus freePages(long memory, long count) {
    requireBootServices("freePages");
    return pages.free(memory, count);
  }

  @Override
  public EfiStatus getMemoryMap(LongRef mapSize, Ref<List<MemoryDescriptor>> map, LongRef mapKey) {
    requireBootServices("getMemoryMap");
    return pages.getMemoryMap(mapSize, map, mapKey);
  }

  @Override
  public EfiStatus allocatePool(MemoryType memoryType, long size, LongRef buffer) {
    requireBootServices("allocatePool");
    return pool.allocate(memoryType, size, buffer);
  }

  @Override
  public EfiStatus freePool(long buffer) {
    requireBootServices("freePool");
    return pool.free(buffer);
  }

  @Override
  public <T> EfiStatus installProtocolInterface(Ref<Handle> handle, Protocol<T> protocol, T iface) {
    requireBootServices("installProtocolInterface");
    return handles.install(handle, protocol, iface);
  }

  @Override
  public <T> EfiStatus uninstallProtocolInterface(Handle handle, Protocol<T> protocol, T iface) {
    requireBootServices("uninstallProtocolInterface");
    return handles.uninstall(handle, protocol, iface);
  }

  @Override
  public <T> EfiStatus openProtocol(
      Handle handle,
      Protocol<T> protocol,
      Ref<T> iface,
      Handle agent,
      Handle controller,
      int attributes) {
    requireBootServices("openProtocol");
    return handles.open(handle, protocol, iface, agent, controller, attributes);
  }

  @Override
  public EfiStatus closeProtocol(
      Handle handle, Protocol<?> protocol, Handle agent, Handle controller) {
    requireBootServices("closeProtocol");
    return handles.close(handle, protocol, agent, controller);
  }

  @Override
  public <T> EfiStatus handleProtocol(Handle handle, Protocol<T> protocol, Ref<T> iface) {
    requireBootServices("handleProtocol");
    return handles.open(handle, protocol, iface, null, null, OpenAttribute.BY_HANDLE_PROTOCOL);
  }

  @Override
  public EfiStatus locateHandleBuffer(Protocol<?> protocol, Ref<List<Handle>> found) {
    requireBootServices("locateHandleBuffer");
    return handles.locateHandles(protocol, found);
  }

  @Override
  public <T> EfiStatus locateProtocol(Protocol<T> protocol, Ref<T> iface) {
    requireBootServices("locateProtocol");
    return handles.locate(protocol, iface);
  }

  @Override
  public EfiStatus connectController(Handle controller, boolean recursive) {
    requireBootServices("connectController");
    return handles.connector().connect(controller, recursive);
  }

  @Override
  public EfiStatus disconnectController(Handle controller) {
    requireBootServices("disconnectController");
    return handles.connector().disconnect(controller, null);
  }

  @Override
  public EfiStatus stall(long microseconds) {
    requireBootServices("stall");
    return idleLoop.stall(microseconds);
  }

  private void requireBootServices(String service) {
    if (gone) {
      throw new IllegalStateException(
          service + " called after ExitBootServices: boot services are gone");
    }
  }
}
