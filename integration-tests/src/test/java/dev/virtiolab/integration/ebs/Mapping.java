package dev.virtiolab.integration.ebs;

/** What PciIo.Map gave a driver; it is open when ExitBootServices is called. */
final class Mapping {
  /** What it is for. */
  enum Kind {
    /** A ring: CommonBuffer, in place, read and written by the device. */
    RING,
    /** A receive area that is one CommonBuffer, in place. */
    RECEIVE_IN_PLACE,
    /** A receive buffer: a small BusMasterWrite. */
    RECEIVE,
    /** A frame or a header to send: BusMasterRead. */
    TRANSMIT,
    /** The same, which the device has sent: it does not hold it any more. */
    TRANSMITTED
  }

  final Nic nic;
  final Kind kind;
  boolean open = true;

  /** Calls of Unmap. */
  int teardowns;

  /** Whether the device wrote to it while it was open. */
  boolean written;

  Mapping(Nic nic, Kind kind) {
    this.nic = nic;
    this.kind = kind;
  }

  /** Whether the device's queues hold it, so that a live device may touch it at any time. */
  boolean isHeld() {
    return kind != Kind.TRANSMITTED;
  }

  boolean isWrittenByDevice() {
    return kind == Kind.RING || kind == Kind.RECEIVE_IN_PLACE || kind == Kind.RECEIVE;
  }
}
