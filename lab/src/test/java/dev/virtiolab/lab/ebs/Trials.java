package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.exitboot.DriverSeat;
import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.exitboot.NetworkCard;
import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * Small policies and drivers for tests, and the catalogue that has them beside the built-in ones.
 */
final class Trials {
  /** Kept here: a logger that nobody holds forgets its level. */
  private static final Logger DEVICE_LOG = Logger.getLogger("dev.virtiolab.virtio");

  /** What a policy of one's own is called here, and a driver. */
  static final String MY_POLICY = "my-policy";

  static final String MY_DRIVER = "my-driver";

  private final Catalogue catalogue = Catalogue.builtIn();
  private Settings settings = Settings.USUAL;
  private Effort effort = Effort.USUAL;

  Trials() {
    DEVICE_LOG.setLevel(Level.OFF);
  }

  // ---- what is tried

  Trials with(Settings other) {
    settings = other;
    return this;
  }

  Trials with(Effort other) {
    effort = other;
    return this;
  }

  /** Adds {@link #MY_POLICY}. */
  Trials policy(Function<TeardownSeat, EfiStatus> arm) {
    catalogue.addPolicy(() -> new MyPolicy(arm));
    return this;
  }

  /** Adds {@link #MY_POLICY}, which has one handler in the group, at CALLBACK. */
  Trials policyHandler(Consumer<TeardownSeat> handler) {
    return policy(seat -> armed(seat.bootServices(), () -> handler.accept(seat)));
  }

  /** Adds {@link #MY_DRIVER}. */
  Trials driver(Function<DriverSeat, NetworkCard> start) {
    catalogue.addDriver(() -> new MyDriver(start));
    return this;
  }

  /**
   * Adds {@link #MY_DRIVER}, whose handler in the group, at CALLBACK, resets and then does this.
   */
  Trials afterReset(Consumer<Rig> handler) {
    return armedDriver(
        rig ->
            armed(
                rig.bootServices(),
                () -> {
                  rig.net.quiesce();
                  handler.accept(rig);
                }));
  }

  /** Adds {@link #MY_DRIVER}, which creates these events. */
  Trials armedDriver(Consumer<Rig> arm) {
    return driver(
        seat -> {
          Rig rig = new Rig(seat);
          rig.bringUp();
          arm.accept(rig);
          return rig;
        });
  }

  /** One handler in the group, at CALLBACK. */
  static EfiStatus armed(BootServices bootServices, Runnable action) {
    return armed(bootServices, action, Tpl.CALLBACK);
  }

  /** A handler of as many stages. */
  static EfiStatus armed(BootServices bootServices, Runnable action, int... levels) {
    return new StagedHandler(bootServices, EventGroups.EXIT_BOOT_SERVICES, action, levels).arm();
  }

  private record MyPolicy(Function<TeardownSeat, EfiStatus> armer) implements TeardownPolicy {
    @Override
    public String name() {
      return MY_POLICY;
    }

    @Override
    public String title() {
      return "a policy of one's own";
    }

    @Override
    public EfiStatus arm(TeardownSeat seat) {
      return armer.apply(seat);
    }
  }

  private record MyDriver(Function<DriverSeat, NetworkCard> starter) implements ExitBootDriver {
    @Override
    public String name() {
      return MY_DRIVER;
    }

    @Override
    public String title() {
      return "a driver of one's own";
    }

    @Override
    public NetworkCard start(DriverSeat seat) {
      return starter.apply(seat);
    }
  }

  /** A card with its driver. */
  static final class Rig implements NetworkCard {
    final DriverSeat seat;
    final SmallNet net;

    Rig(DriverSeat seat) {
      this.seat = seat;
      net = new SmallNet(seat.bootServices(), seat.memory(), seat.device());
    }

    void bringUp() {
      if (seat.requiresAccessPlatform()) {
        net.requireAccessPlatform();
      }
      EfiStatus status = net.start();
      if (status.isError()) {
        throw new IllegalStateException("start: " + status);
      }
    }

    BootServices bootServices() {
      return seat.bootServices();
    }

    CpuMemory memory() {
      return seat.memory();
    }

    PciIo pciIo() {
      Ref<PciIo> pciIo = new Ref<>();
      bootServices().handleProtocol(seat.controller(), PciIo.PROTOCOL, pciIo);
      return pciIo.value;
    }

    @Override
    public EfiStatus transmit(byte[] frame) {
      return net.transmit(frame);
    }

    @Override
    public Optional<byte[]> receive() {
      return net.receive();
    }
  }

  // ---- trying it

  Catalogue catalogue() {
    return catalogue;
  }

  Explorer explorer() {
    return new Explorer(catalogue, settings, effort);
  }

  Cell cell(String platform, String policy, String... drivers) {
    return explorer()
        .explore(List.of(task(platform, policy, drivers)), Explorer.Progress.NONE)
        .getFirst();
  }

  static Explorer.Task task(String platform, String policy, String... drivers) {
    return new Explorer.Task(PlatformKind.parse(platform), policy, List.of(drivers));
  }

  /** Verdict and invariants, as {@code unsafe [I1, I9]}. */
  static String outcome(Cell cell) {
    return cell.verdict().word() + " " + cell.invariants();
  }

  /** What broke an invariant first in the history that fails soonest. */
  static String why(Cell cell, Invariant invariant) {
    return cell.histories().stream()
        .flatMap(history -> history.breaches().stream())
        .filter(breach -> breach.invariant() == invariant)
        .map(Breach::text)
        .findFirst()
        .orElse("");
  }

  /** Why the first run that was cut was. */
  static String cut(Cell cell) {
    return cell.histories().stream()
        .flatMap(history -> history.cut().stream())
        .findFirst()
        .orElse("");
  }
}
