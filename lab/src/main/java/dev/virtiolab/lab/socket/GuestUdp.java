package dev.virtiolab.lab.socket;

import dev.virtiolab.firmware.stack.udp.UdpSocket;
import java.io.IOException;
import java.net.BindException;

/** The guest's UDP, for programs outside its thread. Any thread may call. */
public final class GuestUdp {
  private final GuestDoor guest;

  public GuestUdp(GuestDoor guest) {
    this.guest = guest;
  }

  /**
   * Opens a port.
   *
   * @param port from 1 to 65535; 0: one that is free
   * @throws BindException if somebody has it already
   * @throws IllegalStateException if the guest has ended
   */
  public GuestDatagrams open(int port) throws IOException {
    Object made =
        guest.ask(
            firmware -> {
              try {
                return firmware.udp().open(port);
              } catch (IllegalStateException e) {
                return e.getMessage();
              }
            });
    if (made instanceof UdpSocket socket) {
      return new GuestDatagrams(guest, socket);
    }
    throw new BindException((String) made);
  }
}
