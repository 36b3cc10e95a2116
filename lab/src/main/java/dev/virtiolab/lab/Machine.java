package dev.virtiolab.lab;

import dev.virtiolab.firmware.BootException;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ipv4Interface;
import dev.virtiolab.firmware.stack.StackConfig;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.noncoherent.NonCoherentCounters;
import dev.virtiolab.iommu.noncoherent.NonCoherentPlatform;
import dev.virtiolab.iommu.sev.SevCounters;
import dev.virtiolab.iommu.sev.SevPlatform;
import dev.virtiolab.iommu.sev.launch.LaunchMeasurement;
import dev.virtiolab.iommu.vtd.VtdCounters;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.lab.trace.MachineEvents;
import dev.virtiolab.lab.trace.Recordings;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.virtio.net.DeviceLoop;
import dev.virtiolab.virtio.net.NetCounters;
import dev.virtiolab.virtio.net.VirtioNet;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A running machine: a {@link Mainboard} whose NIC is driven by a thread of its own, and whose
 * guest is another.
 */
public final class Machine implements GuestMachine {
  private final NetBackend wire;
  private final Mainboard board;
  private final DeviceLoop deviceLoop;
  private final Recordings recordings;
  private final GuestThread guest;
  private final Firmware firmware;

  private Machine(
      NetBackend wire,
      Mainboard board,
      DeviceLoop deviceLoop,
      Recordings recordings,
      GuestThread guest,
      Firmware firmware) {
    this.wire = wire;
    this.board = board;
    this.deviceLoop = deviceLoop;
    this.recordings = recordings;
    this.guest = guest;
    this.firmware = firmware;
  }

  /**
   * Switches a machine on, and returns when its guest is up.
   *
   * @param wire what the NIC is plugged into; stays the caller's to close, after the machine
   * @param guestAddress what the guest answers to
   * @throws LabException if the guest does not boot
   */
  public static Machine start(MachineConfig config, NetBackend wire, Ipv4Address guestAddress) {
    return start(config, wire, guestAddress, Optional.empty());
  }

  /**
   * Likewise.
   *
   * @param trace the timeline to put it on, from its first register access on; stays the caller's
   *     to close, after the machine
   */
  public static Machine start(
      MachineConfig config, NetBackend wire, Ipv4Address guestAddress, Optional<Trace> trace) {
    return start(config, wire, Ipv4Interface.onLink(guestAddress), trace);
  }

  /**
   * Likewise, for a guest that knows its link and its gateway.
   *
   * @param self its address, link and gateway
   */
  public static Machine start(MachineConfig config, NetBackend wire, Ipv4Interface self) {
    return start(config, wire, self, Optional.empty());
  }

  /** Likewise, with a trace. */
  public static Machine start(
      MachineConfig config, NetBackend wire, Ipv4Interface self, Optional<Trace> trace) {
    Mainboard board = new Mainboard(config, wire);
    DeviceLoop deviceLoop = startLoop(board);
    MachineEvents events = new MachineEvents(board.nic(), board.nicFunction(), board.platform());
    String name = "virtio-net " + board.nicAddress() + " " + config.mac();
    trace.ifPresent(onto -> events.add(onto.machine(name, board.platform().name())));
    Recordings recordings = Recordings.of(events, name);
    CpuClock clock = new HostClock();
    StackConfig stack = new StackConfig(self, config.entropy().nextLong());
    GuestThread guest =
        new GuestThread(
            doorbell ->
                new Firmware(
                    board.toBoard(clock),
                    stack,
                    config.bounceSlots(),
                    events.dmaObserver(),
                    doorbell));
    try {
      return new Machine(wire, board, deviceLoop, recordings, guest, guest.start());
    } catch (RuntimeException e) {
      guest.close();
      recordings.close();
      deviceLoop.close();
      board.close();
      throw e instanceof BootException ? LabException.failure(e.getMessage(), e) : e;
    }
  }

  private static DeviceLoop startLoop(Mainboard board) {
    try {
      return DeviceLoop.start(board.nic(), "virtio-net");
    } catch (RuntimeException e) {
      board.close();
      throw e;
    }
  }

  public Mainboard board() {
    return board;
  }

  /** What crossed the wire, and what did not; any thread. */
  public BackendCounters wire() {
    return wire.counters();
  }

  /** Whether the wire is connected; any thread. */
  public boolean wireUp() {
    return wire.linkUp();
  }

  /** What the guest's drivers mapped; any thread. */
  public DmaCounters dma() {
    return firmware.dmaCounters();
  }

  @Override
  public GuestThread guest() {
    return guest;
  }

  /** {@inheritDoc} All of it is this process's. */
  @Override
  public Optional<String> trouble() {
    return Optional.empty();
  }

  /**
   * Lets the guest hand over to an operating system that never comes: ExitBootServices, and then
   * silence. Nothing can be asked of the guest afterwards.
   */
  public EfiStatus exitBootServices() {
    return guest.exitBootServices();
  }

  @Override
  public void runUntilInterrupted() {
    runUntilInterrupted(wire::linkUp);
  }

  @Override
  public boolean moving() {
    return deviceLoop.running();
  }

  @Override
  public TrafficReport report() {
    NetCounters nic = board.nic().counters();
    DmaCounters dma = firmware.dmaCounters();
    return new TrafficReport(
        board.platform().name(),
        board.nicAddress().toString(),
        Optional.empty(),
        board.negotiatedFeatures(),
        new TrafficReport.Frames(
            nic.framesReceived(),
            nic.bytesReceived(),
            nic.framesSent(),
            nic.bytesSent(),
            nic.drops() + wire.counters().droppedOut() + wire.counters().droppedIn()),
        new TrafficReport.Queues(
            nic.kicks(VirtioNet.RECEIVE_QUEUE),
            nic.kicks(VirtioNet.TRANSMIT_QUEUE),
            OptionalLong.of(nic.queueInterrupts() + nic.configInterrupts())),
        new TrafficReport.Dma(
            dma.maps(),
            dma.unmaps(),
            dma.openMappings(),
            dma.bytesBouncedToDevice() + dma.bytesBouncedFromDevice()),
        pages(board.platform()),
        remapping(board.platform()),
        cache(board.platform()),
        board.measurement().map(Machine::launch));
  }

  private static TrafficReport.Launch launch(LaunchMeasurement measurement) {
    HexFormat hex = HexFormat.of();
    return new TrafficReport.Launch(
        hex.formatHex(measurement.measure()), hex.formatHex(measurement.nonce()));
  }

  private static TrafficReport.Pages pages(Platform platform) {
    if (platform instanceof SevPlatform sev) {
      SevCounters counters = sev.counters();
      return new TrafficReport.Pages(
          counters.pagesShared(),
          counters.pagesSharedPeak(),
          counters.flipsToShared() + counters.flipsToPrivate());
    }
    return new TrafficReport.Pages(0, 0, 0);
  }

  private static Optional<TrafficReport.Remapping> remapping(Platform platform) {
    if (platform instanceof VtdPlatform vtd) {
      VtdCounters counters = vtd.counters();
      return Optional.of(
          new TrafficReport.Remapping(
              counters.faults(),
              counters.iotlbHits(),
              counters.iotlbMisses(),
              counters.iotlbInvalidations(),
              counters.iotlbEntries()));
    }
    return Optional.empty();
  }

  private static Optional<TrafficReport.Cache> cache(Platform platform) {
    if (platform instanceof NonCoherentPlatform noncoherent) {
      NonCoherentCounters counters = noncoherent.counters();
      return Optional.of(
          new TrafficReport.Cache(
              counters.linesFilled(),
              counters.linesWrittenBack(),
              counters.linesInvalidated(),
              counters.dirtyLinesLost()));
    }
    return Optional.empty();
  }

  /** Switches it off: first the guest, then the device, then the board. */
  @Override
  public void close() {
    try {
      guest.close();
      recordings.close();
      deviceLoop.close();
    } finally {
      board.close(); // also where the loop had died, which it says when it is closed
    }
  }
}
