package dev.virtiolab.lab.qemu;

import dev.virtiolab.firmware.BootException;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.net.SnpCounter;
import dev.virtiolab.firmware.net.SnpCounters;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ipv4Interface;
import dev.virtiolab.firmware.stack.StackConfig;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.GuestThread;
import dev.virtiolab.lab.HostClock;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.resource.Opened;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.bridge.BridgeLoop;
import dev.virtiolab.net.bridge.LearningBridge;
import dev.virtiolab.net.bridge.PortCounters;
import dev.virtiolab.pci.qtest.Q35;
import dev.virtiolab.pci.qtest.QtestBus;
import dev.virtiolab.pci.qtest.QtestException;
import dev.virtiolab.virtio.feature.FeatureBits;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * A machine whose CPU and memory are here and whose devices are QEMU's: the firmware is the same as
 * on a {@link dev.virtiolab.lab.Machine}, and drives QEMU's virtio-net-pci. A switch of two ports
 * joins the wire with QEMU's network back end.
 */
public final class QemuMachine implements GuestMachine {
  /** The port of the switch that the wire is at. */
  private static final int WIRE_PORT = 0;

  private static final int QEMU_PORT = 1;

  private final MachineConfig config;
  private final NetBackend wire;
  private final QemuProgram program;

  private final Opened opened = new Opened();

  private QemuProcess process;
  private BridgeLoop bridge;
  private GuestThread guest;
  private Firmware firmware;

  private QemuMachine(MachineConfig config, NetBackend wire, QemuProgram program) {
    this.config = config;
    this.wire = wire;
    this.program = program;
  }

  /**
   * Starts QEMU, boots the guest on its machine, and returns when the guest is up. QEMU ends with
   * the thread that calls this.
   *
   * @param config of a pc; RAM, slot, Ethernet address and MTU are QEMU's as well
   * @param wire what QEMU's NIC is plugged into; closed by {@link #close}, which its owner may
   *     close again
   * @param guestAddress what the guest answers to
   * @param trace must be empty: what QEMU's device does is not seen
   * @throws LabException if QEMU is missing or does not start, or the guest does not boot
   */
  public static QemuMachine start(
      MachineConfig config, NetBackend wire, Ipv4Address guestAddress, Optional<Trace> trace) {
    if (config.platform() != PlatformKind.PC || trace.isPresent()) {
      throw new IllegalArgumentException("QEMU's machine is a pc, and nobody sees into its device");
    }
    QemuMachine machine = new QemuMachine(config, wire, QemuProgram.require());
    try {
      machine.start(guestAddress);
      return machine;
    } catch (BootException e) {
      throw machine.opened.closeAfter(LabException.failure(e.getMessage(), e));
    } catch (RuntimeException e) {
      throw machine.opened.closeAfter(e);
    }
  }

  private void start(Ipv4Address guestAddress) {
    QemuBoard board = new QemuBoard(config);
    opened.add(board);
    OptionalInt mtu = config.mtu().isPresent() ? config.mtu() : wire.mtu();
    process = QemuProcess.start(program, config, board.memory(), mtu);
    opened.add(process);
    bridge = BridgeLoop.start(new LearningBridge(List.of(wire, process.wire())));
    opened.add(bridge);
    QemuBus bus = new QemuBus(new QtestBus(process.qtest()), process::explain);
    StackConfig stack =
        new StackConfig(Ipv4Interface.onLink(guestAddress), config.entropy().nextLong());
    guest =
        new GuestThread(
            doorbell -> {
              decodeEcam(bus);
              return new Firmware(
                  board.toBoard(bus, new HostClock()),
                  stack,
                  config.bounceSlots(),
                  DmaObserver.NONE,
                  doorbell);
            });
    opened.add(guest);
    // Before the guest, which may wait for an answer.
    opened.add(process::kill);
    firmware = guest.start();
  }

  private void decodeEcam(QemuBus bus) {
    try {
      Q35.decodeEcam(bus);
    } catch (QtestException e) {
      throw process.explain(e);
    }
  }

  @Override
  public GuestThread guest() {
    return guest;
  }

  /** {@inheritDoc} That is QEMU's end, or its silence, of which the guest has died. */
  @Override
  public Optional<String> trouble() {
    Optional<String> ended = process.trouble();
    return ended.isEmpty()
            && guest.ended().isCompletedExceptionally()
            && guest.ended().exceptionNow() instanceof LabException known
        ? Optional.of(known.getMessage())
        : ended;
  }

  /** As {@link dev.virtiolab.lab.Machine#exitBootServices}. */
  public EfiStatus exitBootServices() {
    return guest.exitBootServices();
  }

  @Override
  public void runUntilInterrupted() {
    runUntilInterrupted(wire::linkUp);
  }

  @Override
  public boolean moving() {
    return bridge.running();
  }

  @Override
  public TrafficReport report() {
    SnpCounters driver = firmware.networkCounters();
    DmaCounters dma = firmware.dmaCounters();
    return new TrafficReport(
        config.platform().label(),
        Mainboard.addressOf(config.slot()).toString(),
        Optional.of(
            new TrafficReport.Emulator(
                "QEMU " + program.version(), process.qtest().reads(), process.qtest().writes())),
        FeatureBits.names(driver.negotiatedFeatures()),
        new TrafficReport.Frames(
            sum(
                driver,
                SnpCounter.RX_FRAMES,
                SnpCounter.RX_FILTERED,
                SnpCounter.RX_SHORT,
                SnpCounter.RX_GIANT),
            sum(
                driver,
                SnpCounter.RX_BYTES,
                SnpCounter.RX_FILTERED_BYTES,
                SnpCounter.RX_SHORT_BYTES,
                SnpCounter.RX_GIANT_BYTES),
            driver.value(SnpCounter.TX_QUEUED),
            driver.value(SnpCounter.TX_QUEUED_BYTES),
            dropped()),
        new TrafficReport.Queues(
            driver.value(SnpCounter.RX_KICKS),
            driver.value(SnpCounter.TX_KICKS),
            OptionalLong.empty()),
        new TrafficReport.Dma(
            dma.maps(),
            dma.unmaps(),
            dma.openMappings(),
            dma.bytesBouncedToDevice() + dma.bytesBouncedFromDevice()),
        new TrafficReport.Pages(0, 0, 0),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  private static long sum(SnpCounters driver, SnpCounter... counters) {
    long sum = 0;
    for (SnpCounter counter : counters) {
      sum += driver.value(counter);
    }
    return sum;
  }

  /** What the switch and the wires at it could not move; what QEMU drops it does not say. */
  private long dropped() {
    long sum = 0;
    for (int port : List.of(WIRE_PORT, QEMU_PORT)) {
      PortCounters counters = bridge.bridge().counters(port);
      sum += counters.noRoom() + counters.tooLong();
    }
    for (NetBackend end : List.of(wire, process.wire())) {
      BackendCounters counters = end.counters();
      sum += counters.droppedOut() + counters.droppedIn();
    }
    return sum;
  }

  /** Ends QEMU, then the guest, then the switch with its wires. A second call does nothing. */
  @Override
  public void close() {
    opened.close();
  }
}
