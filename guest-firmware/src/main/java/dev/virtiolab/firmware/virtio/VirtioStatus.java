package dev.virtiolab.firmware.virtio;

/** Bits of the device status: virtio v1.4, 2.1 "Device Status Field". */
public final class VirtioStatus {
  /** Writing it resets the device; reading it says that the reset is over. */
  public static final int RESET = 0;

  public static final int ACKNOWLEDGE = 1;
  public static final int DRIVER = 2;
  public static final int DRIVER_OK = 4;
  public static final int FEATURES_OK = 8;
  public static final int DEVICE_NEEDS_RESET = 64;
  public static final int FAILED = 128;

  private VirtioStatus() {}
}
