package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.BootException;
import dev.virtiolab.firmware.exitboot.DriverSeat;
import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.exitboot.NetworkCard;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import java.util.Optional;

/**
 * A driver that is {@link SmallNet} but for what it does at ExitBootServices, which a subclass says
 * in {@link #arm}.
 */
public abstract class SmallNetDriver implements ExitBootDriver {
  private final String name;
  private final String title;

  /**
   * @param name as {@link #name()}
   * @param title as {@link #title()}
   */
  protected SmallNetDriver(String name, String title) {
    this.name = name;
    this.title = title;
  }

  @Override
  public final String name() {
    return name;
  }

  @Override
  public final String title() {
    return title;
  }

  /** The driver proper, which has not touched its card yet. */
  protected SmallNet create(DriverSeat seat) {
    return new SmallNet(seat.bootServices(), seat.memory(), seat.device());
  }

  /**
   * Creates the events by which the driver learns of ExitBootServices.
   *
   * @param net the card, which is up
   * @return SUCCESS, or what CreateEvent returned; then nothing is left armed
   */
  protected abstract EfiStatus arm(BootServices bootServices, SmallNet net);

  @Override
  public final NetworkCard start(DriverSeat seat) {
    SmallNet net = create(seat);
    if (seat.requiresAccessPlatform()) {
      net.requireAccessPlatform();
    }
    check(net, "SmallNet.start", net.start());
    check(net, "CreateEvent", arm(seat.bootServices(), net));
    return new Card(net);
  }

  private static void check(SmallNet net, String step, EfiStatus status) {
    if (status.isError()) {
      net.stop();
      throw new BootException(step, status);
    }
  }

  private record Card(SmallNet net) implements NetworkCard {
    @Override
    public EfiStatus transmit(byte[] frame) {
      return net.transmit(frame);
    }

    @Override
    public Optional<byte[]> receive() {
      return net.receive();
    }
  }
}
