package dev.virtiolab.firmware.uefi;

/** EFI_DRIVER_BINDING_PROTOCOL: UEFI Specification 2.10, 11.1. */
public interface DriverBinding {
  Protocol<DriverBinding> PROTOCOL =
      Protocol.of("18a031ab-b443-4d1a-a5c0-0c09261e9f71", "DriverBinding", DriverBinding.class);

  /** Whether this driver can drive the controller; leaves it as it was. */
  EfiStatus supported(Handle controller);

  EfiStatus start(Handle controller);

  /**
   * @param children the child handles to stop, or empty to stop the controller itself
   */
  EfiStatus stop(Handle controller, Handle... children);

  /** Larger is tried first. */
  int version();

  /** The handle that carries this protocol, and the agent of its opens. */
  Handle driverBindingHandle();
}
