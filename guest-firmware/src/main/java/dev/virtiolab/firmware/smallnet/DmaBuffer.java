package dev.virtiolab.firmware.smallnet;

import dev.virtiolab.firmware.uefi.DmaMapping;

/** A piece of memory that the driver and its device both use, one after the other or at once. */
public final class DmaBuffer {
  /** What for. */
  public enum Use {
    /** Descriptors, available and used ring: both sides read and write, at any time. */
    RING,
    /** A header and a frame that the device writes. */
    RECEIVE,
    /** A header and a frame that the device reads. */
    TRANSMIT
  }

  /** What it is for. */
  public final Use use;

  /** Its guest-physical address. */
  public final long hostAddress;

  /** How much of it is used. */
  public final long bytes;

  /** What the device is told; {@link SmallNet#map} sets it. */
  public long deviceAddress;

  /** The mapping to be undone, or null. */
  public DmaMapping mapping;

  DmaBuffer(Use use, long hostAddress, long bytes) {
    this.use = use;
    this.hostAddress = hostAddress;
    this.bytes = bytes;
  }
}
