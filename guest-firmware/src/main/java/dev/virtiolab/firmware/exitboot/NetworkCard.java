package dev.virtiolab.firmware.exitboot;

import dev.virtiolab.firmware.uefi.EfiStatus;
import java.util.Optional;

/** A card that a driver has brought up, to send and receive by. */
public interface NetworkCard {

  /**
   * Gives a frame to the device. What the device has sent before is not taken back on this account.
   *
   * @param frame 14 to 1514 bytes, Ethernet header included
   * @return NOT_READY while no transmit buffer is free, or the error of the step that failed
   */
  EfiStatus transmit(byte[] frame);

  /** The next frame that the device has received; empty where there is none. */
  Optional<byte[]> receive();
}
