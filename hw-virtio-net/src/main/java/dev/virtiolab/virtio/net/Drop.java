package dev.virtiolab.virtio.net;

/** Why a frame went no further. Except where it says otherwise its buffer was completed. */
public enum Drop {
  /** Transmit: the chain has less than a header. */
  TX_SHORT_HEADER("a transmit buffer is shorter than its header"),
  /** Transmit: the header asks for an offload that was not negotiated. */
  TX_OFFLOAD("a frame asks for an offload that was not negotiated"),
  /** Transmit: the header's offload fields point outside of the frame, or at another protocol. */
  TX_BAD_OFFLOAD("a frame's offload fields do not fit it"),
  /** Transmit: less than an Ethernet header. */
  TX_RUNT("a frame is shorter than an Ethernet header"),
  /** Transmit: more than the wire takes. */
  TX_GIANT("a frame is longer than the wire takes"),
  /** Transmit: longer than the MTU that was negotiated, which no driver may send (5.1.4.2). */
  TX_OVER_MTU("a frame was sent that is longer than the negotiated MTU"),
  /** Transmit: a buffer that the device may not read. */
  TX_DMA_FAULT("a transmit buffer cannot be read"),
  /** Transmit: no link. */
  TX_LINK_DOWN("a frame was sent without a link"),
  /** Transmit: the queue is running and disabled (vhost-user, "Ring states"). */
  TX_DISABLED("a frame was sent through a queue that is disabled"),
  /** Receive: longer than the next buffer, which stays with the device. */
  RX_NO_ROOM("a frame is longer than the receive buffer"),
  /** Receive: longer than the MTU that was negotiated; no buffer was taken. */
  RX_OVER_MTU("a frame is longer than the negotiated MTU"),
  /** Receive: the wire leaves work to do that does not fit the frame. */
  RX_BAD_OFFLOAD("the wire's offload fields do not fit a frame"),
  /** Receive: a buffer that the device may not write. */
  RX_DMA_FAULT("a receive buffer cannot be written"),
  /** Receive: no link; no buffer was taken. */
  RX_LINK_DOWN("a frame arrived without a link");

  private final String text;

  Drop(String text) {
    this.text = text;
  }

  /** A line for a log. */
  public String text() {
    return text;
  }
}
