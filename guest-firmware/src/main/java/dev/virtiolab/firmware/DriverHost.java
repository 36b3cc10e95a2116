package dev.virtiolab.firmware;

import dev.virtiolab.firmware.core.CoreSetup;
import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.core.ExitBootServicesHook;
import dev.virtiolab.firmware.exitboot.policy.StagedTeardown;
import dev.virtiolab.firmware.exitboot.policy.VtdOff;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOffLayout;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.iommu.IoMmuDxe;
import dev.virtiolab.firmware.iommu.MappingTeardown;
import dev.virtiolab.firmware.iommu.NonCoherentDmaDxe;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.iommu.VTdDxe;
import dev.virtiolab.firmware.pci.PciBusDxe;
import dev.virtiolab.firmware.pci.PciResources;
import dev.virtiolab.firmware.pci.RootBridge;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.firmware.virtio.Virtio10Dxe;
import dev.virtiolab.firmware.virtio.VirtioPciDeviceDxe;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * The firmware as far as a device driver needs it: the UEFI core, the platform's IOMMU driver, the
 * PCI bus, and the virtio transport. It boots when it is made; the drivers that are installed then
 * start on their devices at {@link #connect}.
 *
 * <p>All calls come from the one thread that is the guest's CPU; only the counters may be read from
 * elsewhere.
 */
public final class DriverHost {
  /** virtio v1.4, 5.1.1 "Device ID". */
  private static final int NETWORK_CARD = 1;

  private final Board board;
  private final DmaCounters dmaCounters = new DmaCounters();
  private final DxeCore core;
  private final BootServices bootServices;
  private final MappingTeardown mappings;
  private final PciBusDxe pciBus;
  private final Virtio10Dxe virtio10;
  private final VirtioPciDeviceDxe virtioPciDevice;

  /**
   * What a host can be told when it is made.
   *
   * @param slots the IOMMU driver's reserved slots; without meaning where memory is not encrypted
   * @param dmaObserver who is told what drivers map
   * @param policy who takes mappings down at ExitBootServices; empty: as edk2 does on the board
   * @param core what the core is told
   * @param services makes of the core's services what every driver is given
   */
  public record Setup(
      BounceSlots slots,
      DmaObserver dmaObserver,
      Optional<TeardownPolicy> policy,
      CoreSetup core,
      UnaryOperator<BootServices> services) {

    /** A firmware as edk2's, with {@code slots}, that nobody watches. */
    public static Setup of(BounceSlots slots) {
      return new Setup(
          slots, DmaObserver.NONE, Optional.empty(), CoreSetup.EDK2, UnaryOperator.identity());
    }

    /** The same, with {@code observer} told what drivers map. */
    public Setup observedBy(DmaObserver observer) {
      return new Setup(slots, observer, policy, core, services);
    }
  }

  /**
   * Boots as far as that.
   *
   * @throws dev.virtiolab.firmware.handoff.HandOffException if what the host put into memory is no
   *     hand-off
   * @throws BootException if a step fails
   */
  public DriverHost(Board board, Setup setup) {
    this.board = board;
    HandOff handOff = HandOff.read(board.memory(), HandOffLayout.ADDRESS);
    core = new DxeCore(board.memory(), board.clock(), handOff, setup.core());
    bootServices = setup.services().apply(core);
    RootBridge rootBridge =
        new RootBridge(
            bootServices,
            board.bus(),
            board.memory(),
            handOff,
            PciResources.of(handOff),
            dmaCounters,
            setup.dmaObserver());
    mappings = startIoMmu(handOff, setup).orElse(rootBridge);
    pciBus = new PciBusDxe(bootServices, rootBridge, setup.dmaObserver());
    armTeardown(setup.policy().orElseGet(() -> usualPolicy(handOff)));
    require("PciBusDxe", pciBus.start());
    virtio10 = new Virtio10Dxe(bootServices);
    require("Virtio10Dxe", virtio10.install());
    virtioPciDevice = new VirtioPciDeviceDxe(bootServices);
    require("VirtioPciDeviceDxe", virtioPciDevice.install());
  }

  /** Starts the board's IOMMU driver, where it needs one. */
  private Optional<MappingTeardown> startIoMmu(HandOff handOff, Setup setup) {
    if (board.cache().isPresent()) {
      NonCoherentDmaDxe dma =
          new NonCoherentDmaDxe(
              bootServices,
              board.memory(),
              board.cache().get(),
              handOff,
              dmaCounters,
              setup.dmaObserver());
      require("NonCoherentDmaDxe", dma.start());
      return Optional.of(dma);
    }
    if (handOff.remapping().isPresent()) {
      VTdDxe vtd =
          new VTdDxe(
              bootServices, board.memory(), board.bus(), handOff, dmaCounters, setup.dmaObserver());
      require("VTdDxe", vtd.start());
      return Optional.of(vtd);
    }
    if (board.pageAttributes().isPresent()) {
      IoMmuDxe ioMmu =
          new IoMmuDxe(
              bootServices,
              board.memory(),
              handOff,
              board.pageAttributes().get(),
              setup.slots(),
              dmaCounters,
              setup.dmaObserver());
      require("IoMmuDxe", ioMmu.start());
      return Optional.of(ioMmu);
    }
    return Optional.empty();
  }

  /** What edk2 does where nobody says otherwise. */
  private static TeardownPolicy usualPolicy(HandOff handOff) {
    return handOff.remapping().isPresent() ? new VtdOff() : StagedTeardown.requeueCallback();
  }

  private void armTeardown(TeardownPolicy policy) {
    core.onExitBootServices(
        new ExitBootServicesHook() {
          @Override
          public void memoryMapAccepted() {
            mappings.lockMemoryMap();
          }
        });
    require("TeardownPolicy " + policy.name(), policy.arm(new Seat()));
  }

  /** What the policy has to work with. */
  private final class Seat implements TeardownSeat {
    @Override
    public BootServices bootServices() {
      return bootServices;
    }

    @Override
    public MappingTeardown mappings() {
      return mappings;
    }

    @Override
    public void atReturn(Runnable last) {
      core.onExitBootServices(
          new ExitBootServicesHook() {
            @Override
            public void aboutToReturn() {
              last.run();
            }
          });
    }

    @Override
    public void disableBusMasters() {
      pciBus.disableBusMasters();
    }
  }

  private static void require(String step, EfiStatus status) {
    if (status.isError()) {
      throw new BootException(step, status);
    }
  }

  /** Starts every driver that is installed on what it drives. */
  public void connect() {
    for (Handle controller : pciBus.handles()) {
      // NOT_FOUND is no error: nobody drives the host bridge.
      bootServices.connectController(controller, true);
    }
  }

  /** Every network card that the virtio transport has started on, in the order of the bus. */
  public List<VirtioDevice> networkCards() {
    return networkControllers().stream().map(this::virtioDevice).toList();
  }

  /** The handles of the {@linkplain #networkCards() network cards}, in the same order. */
  public List<Handle> networkControllers() {
    List<Handle> controllers = new ArrayList<>();
    for (Handle controller : pciBus.handles()) {
      VirtioDevice device = virtioDevice(controller);
      if (device != null && device.subSystemDeviceId() == NETWORK_CARD) {
        controllers.add(controller);
      }
    }
    return controllers;
  }

  /** What the virtio transport has started on {@code controller}, or null. */
  private VirtioDevice virtioDevice(Handle controller) {
    Ref<VirtioDevice> device = new Ref<>();
    return bootServices.handleProtocol(controller, VirtioDevice.PROTOCOL, device).isError()
        ? null
        : device.value;
  }

  /** What went wrong on the way from the bus to a virtio device, a line each. */
  List<String> complaints() {
    List<String> complaints = new ArrayList<>();
    pciBus.skipped().forEach(skipped -> complaints.add(skipped.toString()));
    virtio10.lastStart().ifPresent(start -> complaints.add("Virtio10Dxe.Start: " + start));
    virtioPciDevice
        .lastStart()
        .ifPresent(start -> complaints.add("VirtioPciDeviceDxe.Start: " + start));
    return complaints;
  }

  public Board board() {
    return board;
  }

  public BootServices bootServices() {
    return bootServices;
  }

  /** The core itself, for who looks at it from outside. */
  public DxeCore core() {
    return core;
  }

  /** What is mapped, and what takes it down: the IOMMU driver, or the root bridge. */
  public MappingTeardown mappings() {
    return mappings;
  }

  /**
   * Whether a driver has to refuse a device without VIRTIO_F_ACCESS_PLATFORM: where an IOMMU driver
   * runs, such a device would go around what it maps, and around what it keeps from devices.
   */
  public boolean requiresAccessPlatform() {
    return !bootServices.locateProtocol(IoMmu.PROTOCOL, new Ref<>()).isError();
  }

  public DmaCounters dmaCounters() {
    return dmaCounters;
  }
}
