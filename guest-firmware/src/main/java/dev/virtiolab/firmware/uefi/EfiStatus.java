package dev.virtiolab.firmware.uefi;

/** EFI_STATUS: UEFI Specification 2.10, appendix D "Status Codes". */
public enum EfiStatus {
  SUCCESS(0),
  LOAD_ERROR(1),
  INVALID_PARAMETER(2),
  UNSUPPORTED(3),
  BAD_BUFFER_SIZE(4),
  BUFFER_TOO_SMALL(5),
  NOT_READY(6),
  DEVICE_ERROR(7),
  OUT_OF_RESOURCES(9),
  NOT_FOUND(14),
  ACCESS_DENIED(15),
  TIMEOUT(18),
  NOT_STARTED(19),
  ALREADY_STARTED(20),
  ABORTED(21),
  SECURITY_VIOLATION(26);

  private static final long ERROR_BIT = 1L << 63;

  private final long code;

  EfiStatus(int ordinary) {
    code = ordinary == 0 ? 0 : ERROR_BIT | ordinary;
  }

  /** The 64-bit value, with the top bit set for errors. */
  public long code() {
    return code;
  }

  public boolean isError() {
    return code < 0;
  }
}
