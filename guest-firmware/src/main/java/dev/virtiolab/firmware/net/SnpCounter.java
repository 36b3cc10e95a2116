package dev.virtiolab.firmware.net;

/** What {@link SnpCounters} counts. */
public enum SnpCounter {
  /** Frames put on the transmit queue. */
  TX_QUEUED,
  TX_QUEUED_BYTES,
  TX_UNICAST,
  TX_MULTICAST,
  TX_BROADCAST,
  /** Frames that the device has transmitted and GetStatus handed back. */
  TX_DONE,
  /** Transmit calls answered NOT_READY: every chain was taken. */
  TX_BUSY,
  /** Transmit calls that failed because the buffer or its header could not be mapped. */
  TX_MAP_FAILED,
  /** Frames still in flight when the device was reset or shut down. */
  TX_LOST,
  TX_KICKS,
  /** Frames handed to a caller of Receive. */
  RX_FRAMES,
  RX_BYTES,
  RX_UNICAST,
  RX_MULTICAST,
  RX_BROADCAST,
  /** Frames that the receive filters kept out. */
  RX_FILTERED,
  RX_FILTERED_BYTES,
  /** Frames shorter than an Ethernet header, dropped. */
  RX_SHORT,
  RX_SHORT_BYTES,
  /** Frames longer than the MTU allows without a VLAN tag, and without one; dropped. */
  RX_GIANT,
  RX_GIANT_BYTES,
  RX_KICKS,
  MEDIA_CHANGES,
  /** The transmit queue's used ring said what cannot be. */
  LIE_TX_USED,
  /** The receive queue's used ring said what cannot be. */
  LIE_RX_USED,
  /** A used length below the header or past the buffer. */
  LIE_RX_LENGTH,
  /** An MTU that no device may present, or another one after a reset. */
  LIE_MTU,
  /** DEVICE_NEEDS_RESET was seen. */
  DEVICE_NEEDS_RESET,
  /** A register or the link status could not be read or written. */
  REGISTER_FAILED,
  /** A reset that the device did not acknowledge. */
  RESET_FAILED,
  /** An Unmap that failed. */
  UNMAP_FAILED
}
