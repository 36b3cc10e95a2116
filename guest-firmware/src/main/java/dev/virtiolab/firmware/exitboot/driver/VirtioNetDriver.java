package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.BootException;
import dev.virtiolab.firmware.exitboot.DriverSeat;
import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.exitboot.NetworkCard;
import dev.virtiolab.firmware.net.VirtioNetDxe;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code virtio-net}: {@link VirtioNetDxe}, as the firmware boots with it. Its handler, at
 * CALLBACK, resets the device.
 */
public final class VirtioNetDriver implements ExitBootDriver {
  /** Not started yet. */
  public VirtioNetDriver() {}

  @Override
  public String name() {
    return "virtio-net";
  }

  @Override
  public String title() {
    return "VirtioNetDxe: resets in its handler at CALLBACK";
  }

  @Override
  public NetworkCard start(DriverSeat seat) {
    BootServices bootServices = seat.bootServices();
    List<Handle> others = interfaces(bootServices);
    VirtioNetDxe driver = driverOf(seat);
    require("VirtioNetDxe", driver.install());
    // Whether a driver has started is not in this call's answer alone: another's may have.
    bootServices.connectController(seat.controller(), false);
    require("VirtioNetDxe.Start", driver.lastStart().orElse(EfiStatus.NOT_FOUND));
    List<Handle> made = interfaces(bootServices);
    made.removeAll(others);
    Ref<SimpleNetwork> network = new Ref<>();
    require(
        "HandleProtocol(SimpleNetwork)",
        bootServices.handleProtocol(made.getFirst(), SimpleNetwork.PROTOCOL, network));
    SnpCard card = new SnpCard(bootServices, seat.memory(), network.value);
    require("SimpleNetwork", card.open());
    return card;
  }

  /** VirtioNetDxe for one card: where there are several, each has a driver of its own. */
  private static VirtioNetDxe driverOf(DriverSeat seat) {
    return new VirtioNetDxe(seat.bootServices(), seat.memory(), seat.requiresAccessPlatform()) {
      @Override
      protected EfiStatus examine(Handle controller, VirtioDevice device) {
        return controller == seat.controller()
            ? super.examine(controller, device)
            : EfiStatus.UNSUPPORTED;
      }
    };
  }

  private static List<Handle> interfaces(BootServices bootServices) {
    Ref<List<Handle>> handles = new Ref<>();
    boolean none = bootServices.locateHandleBuffer(SimpleNetwork.PROTOCOL, handles).isError();
    return none ? new ArrayList<>() : new ArrayList<>(handles.value);
  }

  private static void require(String step, EfiStatus status) {
    if (status.isError()) {
      throw new BootException(step, status);
    }
  }
}
