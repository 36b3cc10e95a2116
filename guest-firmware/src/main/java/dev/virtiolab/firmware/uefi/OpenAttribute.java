package dev.virtiolab.firmware.uefi;

/**
 * Attributes of OpenProtocol: UEFI Specification 2.10, 7.3.9 "EFI_BOOT_SERVICES.OpenProtocol()".
 */
public final class OpenAttribute {
  public static final int BY_HANDLE_PROTOCOL = 0x01;
  public static final int GET_PROTOCOL = 0x02;
  public static final int TEST_PROTOCOL = 0x04;
  public static final int BY_CHILD_CONTROLLER = 0x08;
  public static final int BY_DRIVER = 0x10;
  public static final int EXCLUSIVE = 0x20;

  private OpenAttribute() {}
}
