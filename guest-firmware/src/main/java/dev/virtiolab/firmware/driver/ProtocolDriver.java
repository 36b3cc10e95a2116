package dev.virtiolab.firmware.driver;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DriverBinding;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.OpenAttribute;
import dev.virtiolab.firmware.uefi.Protocol;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.Optional;

/**
 * A driver that stands on one protocol of its controller: it opens that BY_DRIVER while it looks at
 * the controller and as long as it drives it, so that no other driver does.
 *
 * @param <P> the protocol that it stands on
 */
public abstract class ProtocolDriver<P> implements DriverBinding {
  protected final BootServices bootServices;
  private final Protocol<P> consumed;
  private final Ref<Handle> handle = new Ref<>();
  private Optional<EfiStatus> lastStart = Optional.empty();

  /**
   * @param consumed the protocol that the driver stands on
   */
  protected ProtocolDriver(BootServices bootServices, Protocol<P> consumed) {
    this.bootServices = bootServices;
    this.consumed = consumed;
  }

  /** Installs the driver binding on a handle of its own; ConnectController finds it there. */
  public final EfiStatus install() {
    return bootServices.installProtocolInterface(handle, DriverBinding.PROTOCOL, this);
  }

  /** What came of the last controller that this driver was to start on; empty: there was none. */
  public final Optional<EfiStatus> lastStart() {
    return lastStart;
  }

  @Override
  public int version() {
    return 0x10;
  }

  @Override
  public final Handle driverBindingHandle() {
    return handle.value;
  }

  @Override
  public final EfiStatus supported(Handle controller) {
    Ref<P> opened = new Ref<>();
    EfiStatus status = open(controller, opened);
    if (!status.isError()) {
      status = examine(controller, opened.value);
      close(controller, controller);
    }
    return status;
  }

  @Override
  public final EfiStatus start(Handle controller) {
    Ref<P> opened = new Ref<>();
    EfiStatus status = open(controller, opened);
    if (!status.isError()) {
      status = startOn(controller, opened.value);
      if (status.isError()) {
        close(controller, controller);
      }
    }
    lastStart = Optional.of(status);
    return status;
  }

  /** Whether the driver can drive what it sees; changes nothing. */
  protected abstract EfiStatus examine(Handle controller, P device);

  /** Starts to drive {@code controller}; on an error everything is as it was. */
  protected abstract EfiStatus startOn(Handle controller, P device);

  private EfiStatus open(Handle controller, Ref<P> opened) {
    return bootServices.openProtocol(
        controller, consumed, opened, handle.value, controller, OpenAttribute.BY_DRIVER);
  }

  /** Notes that {@code child} stands on the controller, which is then not taken from under it. */
  protected final EfiStatus openForChild(Handle controller, Handle child) {
    return bootServices.openProtocol(
        controller, consumed, new Ref<>(), handle.value, child, OpenAttribute.BY_CHILD_CONTROLLER);
  }

  /**
   * Ends an open.
   *
   * @param forWhom the controller itself, or the child it was opened for
   */
  protected final void close(Handle controller, Handle forWhom) {
    bootServices.closeProtocol(controller, consumed, handle.value, forWhom);
  }
}
