package dev.virtiolab.testkit;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.segment.TapLink;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.BackendSpecException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;

/**
 * What a guest's NIC is plugged into. The lab puts faults, counters and a capture before it,
 * whatever it is.
 *
 * <p>A wiring of one's own is a method that opens a back end, which is closed with the guest.
 */
@FunctionalInterface
public interface Wiring {

  /**
   * Fills in what the wire knows better than the lab, before the lab gives a guest an address.
   *
   * @param guest as it was asked for
   */
  default GuestSpec complete(GuestSpec guest) {
    return guest;
  }

  /**
   * Opens the end of the wire.
   *
   * @param guest with its address
   * @throws LabException if it cannot be had
   */
  NetBackend open(GuestSpec guest);

  /**
   * The lab's own switch, in memory, which joins its guests and the {@linkplain Lab#port() test's
   * port}. No right is needed.
   */
  static Wiring lan() {
    return Lan.WIRING;
  }

  /**
   * A TAP interface in the network namespace of this process. Needs the right to make one.
   *
   * @param name of the interface; empty to let the kernel choose
   * @param hostAddress what the interface is given, such as {@code 192.0.2.254/24}
   */
  static Wiring tap(String name, String hostAddress) {
    return guest -> {
      TapBackend tap = TapLink.open(new BackendSpec.TapInterface(name));
      try {
        TapLink.configure(tap.name(), hostAddress, guest.mtu().orElse(Lan.ETHERNET_MTU));
        return tap;
      } catch (RuntimeException e) {
        tap.close();
        throw e;
      }
    };
  }

  /**
   * What {@code --backend} of the command line names, such as {@code stream:127.0.0.1:7000}, {@code
   * dgram:127.0.0.1:7001,127.0.0.1:7002} or {@code vxlan:127.0.0.1,vni=42,peer=127.0.0.2}. A TAP
   * gets no address here: see {@link #tap}.
   *
   * @throws IllegalArgumentException if it cannot be read
   */
  static Wiring backend(String text) {
    try {
      BackendSpec spec = BackendSpec.parse(text);
      return guest -> {
        try {
          return spec.open();
        } catch (BackendOpenException e) {
          throw LabException.usage("guest " + guest.name() + ": " + e.getMessage(), e);
        }
      };
    } catch (BackendSpecException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }
}
