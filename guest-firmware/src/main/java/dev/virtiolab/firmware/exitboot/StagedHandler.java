package dev.virtiolab.firmware.exitboot;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * A handler that puts off what it is there for: the member of an event group, and one event more
 * for each stage. Each stage signals the next, and the last one acts.
 *
 * <pre>
 *   group --signals--> [stage 1] --signals--> [stage 2] --signals--> ... [last stage: acts]
 * </pre>
 *
 * <p>When the first stage runs, every member of the group is queued, so the second one is queued
 * behind all those of its level. With one stage it is an ordinary handler. It is what edk2's IOMMU
 * driver does at ExitBootServices (OvmfPkg/IoMmuDxe/CcIoMmu.c), and what keeps a driver from being
 * done before it.
 */
public final class StagedHandler {
  private final BootServices bootServices;
  private final UUID group;
  private final Runnable action;
  private final int[] levels;

  /** The stages' events while the handler is armed, in order of creation: the last stage first. */
  private final List<Event> events = new ArrayList<>();

  /**
   * @param group the one to join: {@link EventGroups#EXIT_BOOT_SERVICES} or {@link
   *     EventGroups#BEFORE_EXIT_BOOT_SERVICES}
   * @param action what the last stage does
   * @param levels at which the stages run, the first one first; each TPL_CALLBACK or TPL_NOTIFY
   * @throws IllegalArgumentException if there is no stage
   */
  public StagedHandler(BootServices bootServices, UUID group, Runnable action, int... levels) {
    if (levels.length == 0) {
      throw new IllegalArgumentException("a handler has a stage at least");
    }
    this.bootServices = bootServices;
    this.group = group;
    this.action = action;
    this.levels = levels.clone();
  }

  /**
   * Creates the events, the one that joins the group last.
   *
   * @return SUCCESS, or what CreateEvent returned; then there are none
   */
  public EfiStatus arm() {
    EventNotify notify = (event, context) -> action.run();
    for (int stage = levels.length - 1; stage >= 0; stage--) {
      Ref<Event> made = new Ref<>();
      EfiStatus status =
          bootServices.createEventEx(
              EventType.NOTIFY_SIGNAL,
              levels[stage],
              notify,
              null,
              stage == 0 ? group : null,
              made);
      if (status.isError()) {
        disarm();
        return status;
      }
      events.add(made.value);
      notify = (event, context) -> bootServices.signalEvent(made.value);
    }
    return EfiStatus.SUCCESS;
  }

  /** Closes the events, if there are any. */
  public void disarm() {
    events.forEach(bootServices::closeEvent);
    events.clear();
  }
}
