package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.core.CoreHandle.Installed;
import dev.virtiolab.firmware.core.CoreHandle.Opened;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.OpenAttribute;
import dev.virtiolab.firmware.uefi.Protocol;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.List;

/**
 * Handles and the protocols on them: UEFI Specification 2.10, 7.3 "Protocol Handler Services";
 * edk2's Handle.c and Locate.c. To be called at NOTIFY or below.
 *
 * <p>A handle lives from its first interface to its last. Whoever opens an interface is listed with
 * it, so that it can be asked to let go before the interface is uninstalled.
 */
final class HandleDatabase {
  private static final int PASSING =
      OpenAttribute.BY_HANDLE_PROTOCOL | OpenAttribute.GET_PROTOCOL | OpenAttribute.TEST_PROTOCOL;

  private final TplService tpl;
  private final DriverConnector connector;

  /** Every interface that is installed, in order of installation. */
  private final List<Installed> all = new ArrayList<>();

  private int nextHandle;

  HandleDatabase(TplService tpl) {
    this.tpl = tpl;
    this.connector = new DriverConnector(this);
  }

  DriverConnector connector() {
    return connector;
  }

  <T> EfiStatus install(Ref<Handle> handle, Protocol<T> protocol, T iface) {
    if (handle == null || protocol == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    CoreHandle target = valid(handle.value);
    if (handle.value != null && (target == null || target.find(protocol) != null)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int old = tpl.raise(Tpl.NOTIFY);
    if (target == null) {
      target = new CoreHandle(nextHandle++);
    }
    Installed added = new Installed(target, protocol, iface);
    target.installed.addFirst(added);
    all.add(added);
    handle.value = target;
    tpl.restore(old);
    return EfiStatus.SUCCESS;
  }

  <T> EfiStatus uninstall(Handle handle, Protocol<T> protocol, T iface) {
    CoreHandle target = valid(handle);
    if (target == null || protocol == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    Installed found = target.find(protocol);
    if (found == null || found.iface != iface) {
      return EfiStatus.NOT_FOUND;
    }
    boolean released = disconnectUsers(found);
    found.opens.removeIf(open -> released && open.has(PASSING));
    if (!released || !found.opens.isEmpty()) {
      connector.connect(target, true);
      return EfiStatus.ACCESS_DENIED;
    }
    if (!target.installed.contains(found)) {
      // A driver that let go of it has uninstalled it too.
      return EfiStatus.NOT_FOUND;
    }
    int old = tpl.raise(Tpl.NOTIFY);
    target.installed.remove(found);
    all.remove(found);
    tpl.restore(old);
    return EfiStatus.SUCCESS;
  }

  <T> EfiStatus open(
      Handle handle,
      Protocol<T> protocol,
      Ref<T> iface,
      Handle agent,
      Handle controller,
      int attributes) {
    boolean testOnly = attributes == OpenAttribute.TEST_PROTOCOL;
    CoreHandle target = valid(handle);
    if (protocol == null
        || (iface == null && !testOnly)
        || target == null
        || !isLegal(target, agent, controller, attributes)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    Installed found = target.find(protocol);
    if (found == null) {
      if (!testOnly) {
        iface.value = null;
      }
      return EfiStatus.UNSUPPORTED;
    }
    EfiStatus status = admit(found, (CoreHandle) agent, (CoreHandle) controller, attributes);
    // A bus driver that has it open already still wants the interface.
    if (!testOnly && (!status.isError() || status == EfiStatus.ALREADY_STARTED)) {
      iface.value = protocol.type().cast(found.iface);
    }
    return status;
  }

  EfiStatus close(Handle handle, Protocol<?> protocol, Handle agent, Handle controller) {
    CoreHandle target = valid(handle);
    if (target == null
        || valid(agent) == null
        || (controller != null && valid(controller) == null)
        || protocol == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    Installed found = target.find(protocol);
    int old = tpl.raise(Tpl.NOTIFY);
    boolean closed =
        found != null
            && found.opens.removeIf(
                open -> open.agent() == agent && open.controller() == controller);
    tpl.restore(old);
    return closed ? EfiStatus.SUCCESS : EfiStatus.NOT_FOUND;
  }

  EfiStatus locateHandles(Protocol<?> protocol, Ref<List<Handle>> handles) {
    if (protocol == null || handles == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    handles.value =
        all.stream()
            .filter(each -> each.protocol.guid().equals(protocol.guid()))
            .<Handle>map(each -> each.handle)
            .toList();
    return handles.value.isEmpty() ? EfiStatus.NOT_FOUND : EfiStatus.SUCCESS;
  }

  <T> EfiStatus locate(Protocol<T> protocol, Ref<T> iface) {
    if (protocol == null || iface == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    iface.value = null;
    for (Installed each : all) {
      if (each.protocol.guid().equals(protocol.guid())) {
        iface.value = protocol.type().cast(each.iface);
        return EfiStatus.SUCCESS;
      }
    }
    return EfiStatus.NOT_FOUND;
  }

  /** The handle, or null for one that is null, gone, or not of this core's making. */
  CoreHandle valid(Handle handle) {
    return handle instanceof CoreHandle mine && !mine.installed.isEmpty() ? mine : null;
  }

  /** Which handles each kind of open needs. */
  private boolean isLegal(CoreHandle target, Handle agent, Handle controller, int attributes) {
    return switch (attributes) {
      case OpenAttribute.BY_CHILD_CONTROLLER ->
          valid(agent) != null && valid(controller) != null && target != controller;
      case OpenAttribute.BY_DRIVER, OpenAttribute.BY_DRIVER | OpenAttribute.EXCLUSIVE ->
          valid(agent) != null && valid(controller) != null;
      case OpenAttribute.EXCLUSIVE -> valid(agent) != null;
      case OpenAttribute.BY_HANDLE_PROTOCOL,
          OpenAttribute.GET_PROTOCOL,
          OpenAttribute.TEST_PROTOCOL ->
          isOurs(agent) && isOurs(controller);
      default -> false;
    };
  }

  private static boolean isOurs(Handle handle) {
    return handle == null || handle instanceof CoreHandle;
  }

  /** Lists the open, or says why it may not be. */
  private EfiStatus admit(
      Installed target, CoreHandle agent, CoreHandle controller, int attributes) {
    Opened wanted = new Opened(agent, controller, attributes);
    boolean byDriver = false;
    boolean exclusive = false;
    for (Opened open : target.opens) {
      if (open.has(OpenAttribute.BY_DRIVER)) {
        byDriver = true;
        if (open.equals(wanted)) {
          return EfiStatus.ALREADY_STARTED;
        }
      }
      if (open.has(OpenAttribute.EXCLUSIVE)) {
        exclusive = true;
      } else if (open.equals(wanted)) {
        return EfiStatus.SUCCESS;
      }
    }
    if (attributes == OpenAttribute.BY_DRIVER && (exclusive || byDriver)) {
      return EfiStatus.ACCESS_DENIED;
    }
    if (wanted.has(OpenAttribute.EXCLUSIVE)
        && (exclusive || (byDriver && !disconnectUsers(target)))) {
      return EfiStatus.ACCESS_DENIED;
    }
    if (agent != null) {
      int old = tpl.raise(Tpl.NOTIFY);
      target.opens.add(wanted);
      tpl.restore(old);
    }
    return EfiStatus.SUCCESS;
  }

  /** Disconnects every driver that has it open; false if one refuses, or does not let go. */
  private boolean disconnectUsers(Installed target) {
    for (Opened user = driverOf(target); user != null; user = driverOf(target)) {
      EfiStatus status = connector.disconnect(target.handle, user.agent());
      if (status.isError() || target.opens.contains(user)) {
        return false;
      }
    }
    return true;
  }

  private static Opened driverOf(Installed target) {
    for (Opened open : target.opens) {
      if (open.has(OpenAttribute.BY_DRIVER)) {
        return open;
      }
    }
    return null;
  }
}
