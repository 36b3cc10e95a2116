package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.DriverBinding;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.OpenAttribute;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Brings drivers and controllers together: UEFI Specification 2.10, 7.3.12
 * "EFI_BOOT_SERVICES.ConnectController()" and 7.3.13 "EFI_BOOT_SERVICES.DisconnectController()";
 * edk2's DriverSupport.c. No override protocols: drivers are tried by version, the highest first,
 * and those of one version in order of installation.
 */
final class DriverConnector {
  private static final Handle[] NO_CHILDREN = {};

  private final HandleDatabase handles;

  DriverConnector(HandleDatabase handles) {
    this.handles = handles;
  }

  /**
   * Starts every driver that supports the controller, then with {@code recursive} does the same for
   * the children that they made.
   */
  EfiStatus connect(Handle controller, boolean recursive) {
    CoreHandle target = handles.valid(controller);
    if (target == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    EfiStatus status = startDrivers(target);
    if (recursive) {
      for (CoreHandle child : target.controllers(OpenAttribute.BY_CHILD_CONTROLLER, null)) {
        connect(child, true);
      }
    }
    return status;
  }

  /**
   * Stops drivers: for each, first its children on this controller, then the controller.
   *
   * @param driver the one to stop, or null for all that manage the controller
   */
  EfiStatus disconnect(Handle controller, CoreHandle driver) {
    CoreHandle target = handles.valid(controller);
    if (target == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    List<CoreHandle> managing = target.agents(OpenAttribute.BY_DRIVER);
    if (driver == null && managing.isEmpty()) {
      return EfiStatus.SUCCESS;
    }
    boolean oneStopped = false;
    for (CoreHandle agent : driver == null ? managing : List.of(driver)) {
      CoreHandle.Installed installed = agent.find(DriverBinding.PROTOCOL);
      if (installed == null) {
        return EfiStatus.INVALID_PARAMETER;
      }
      // Stopping one driver may have made another let go already.
      if (target.agents(OpenAttribute.BY_DRIVER).contains(agent)) {
        oneStopped |= stop(target, agent, (DriverBinding) installed.iface);
      }
    }
    return oneStopped ? EfiStatus.SUCCESS : EfiStatus.DEVICE_ERROR;
  }

  private EfiStatus startDrivers(CoreHandle controller) {
    List<DriverBinding> untried = driversByVersion();
    boolean oneStarted = false;
    // A driver that started may have made possible what others refused before.
    for (DriverBinding next = supporting(untried, controller);
        next != null;
        next = supporting(untried, controller)) {
      untried.remove(next);
      oneStarted |= !next.start(controller).isError();
    }
    return oneStarted ? EfiStatus.SUCCESS : EfiStatus.NOT_FOUND;
  }

  private static DriverBinding supporting(List<DriverBinding> drivers, CoreHandle controller) {
    for (DriverBinding driver : drivers) {
      if (!driver.supported(controller).isError()) {
        return driver;
      }
    }
    return null;
  }

  private static boolean stop(CoreHandle controller, CoreHandle agent, DriverBinding driver) {
    List<CoreHandle> children = controller.controllers(OpenAttribute.BY_CHILD_CONTROLLER, agent);
    if (!children.isEmpty() && driver.stop(controller, children.toArray(NO_CHILDREN)).isError()) {
      return false;
    }
    return !driver.stop(controller, NO_CHILDREN).isError();
  }

  private List<DriverBinding> driversByVersion() {
    Ref<List<Handle>> found = new Ref<>();
    List<DriverBinding> drivers = new ArrayList<>();
    handles.locateHandles(DriverBinding.PROTOCOL, found);
    for (Handle handle : found.value) {
      drivers.add((DriverBinding) ((CoreHandle) handle).find(DriverBinding.PROTOCOL).iface);
    }
    drivers.sort(Comparator.comparingInt(DriverBinding::version).reversed());
    return drivers;
  }
}
