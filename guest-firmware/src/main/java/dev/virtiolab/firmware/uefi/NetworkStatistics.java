package dev.virtiolab.firmware.uefi;

/**
 * EFI_NETWORK_STATISTICS: UEFI Specification 2.10, 24.1.9. A counter that the driver does not keep
 * is -1, as the specification has it.
 */
public record NetworkStatistics(
    long rxTotalFrames,
    long rxGoodFrames,
    long rxUndersizeFrames,
    long rxOversizeFrames,
    long rxDroppedFrames,
    long rxUnicastFrames,
    long rxBroadcastFrames,
    long rxMulticastFrames,
    long rxCrcErrorFrames,
    long rxTotalBytes,
    long txTotalFrames,
    long txGoodFrames,
    long txUndersizeFrames,
    long txOversizeFrames,
    long txDroppedFrames,
    long txUnicastFrames,
    long txBroadcastFrames,
    long txMulticastFrames,
    long txCrcErrorFrames,
    long txTotalBytes,
    long collisions,
    long unsupportedProtocol,
    long rxDuplicatedFrames,
    long rxDecryptErrorFrames,
    long txErrorFrames,
    long txRetryFrames) {

  /** Bytes of the structure: 26 counters of 8 bytes. */
  public static final int SIZE = 26 * Long.BYTES;
}
