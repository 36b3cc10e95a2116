package dev.virtiolab.firmware;

import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.net.SnpCounters;
import dev.virtiolab.firmware.net.VirtioNetDxe;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.NetworkStack;
import dev.virtiolab.firmware.stack.StackConfig;
import dev.virtiolab.firmware.stack.tcp.Tcp;
import dev.virtiolab.firmware.stack.udp.Udp;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.TimerDelay;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * The firmware of one guest, from reset to ExitBootServices. All calls come from the one thread
 * that is the guest's CPU; only the counters may be read from elsewhere.
 */
public final class Firmware {
  /** How long a guest without traffic sleeps at most, in 100 ns units: 10 ms, as edk2's MNP. */
  private static final long TICK = 100_000;

  /** The unit of a timer, in nanoseconds. */
  private static final long NANOS_PER_UNIT = 100;

  /** Between two looks whether the device has transmitted, in microseconds. */
  private static final long HELD_UP_MICROS = 20;

  /** Likewise, once it has transmitted nothing for long: the wait doubles up to this. */
  private static final long HELD_UP_LONGEST_MICROS = 1_000;

  private final Board board;
  private final DriverHost host;
  private final BootServices bootServices;
  private final SimpleNetwork network;
  private final SnpCounters networkCounters;
  private final NetworkStack stack;
  private final Tcp tcp;
  private final Udp udp;

  private final IntRef firstEvent = new IntRef();
  private final Event[] packetOrTick;
  private final List<Runnable> services = new ArrayList<>();
  private long heldUpMicros = HELD_UP_MICROS;

  /** Likewise with {@link #alarm}, for a turn that is to be short. */
  private final Event[] packetTickOrAlarm;

  private final Event alarm;

  /**
   * Boots.
   *
   * @param address what the guest's network stack answers to
   * @param slots the IOMMU driver's reserved slots; without meaning where memory is not encrypted
   * @throws dev.virtiolab.firmware.handoff.HandOffException if what the host put into memory is no
   *     hand-off
   * @throws BootException if a step fails, such as when there is no network card, or one that is
   *     not to be trusted
   */
  public Firmware(Board board, Ipv4Address address, BounceSlots slots) {
    this(board, address, slots, DmaObserver.NONE);
  }

  /**
   * Boots, with somebody watching what drivers map.
   *
   * @param dmaObserver told from the first Map of the boot on
   */
  public Firmware(Board board, Ipv4Address address, BounceSlots slots, DmaObserver dmaObserver) {
    this(board, StackConfig.of(address), slots, dmaObserver, () -> false);
  }

  /**
   * Boots, with all that a network stack can be told.
   *
   * @param doorbell asked while the guest waits for a frame: whether somebody wants something of
   *     it, so that it ends its turn. Called on the guest's thread.
   */
  public Firmware(
      Board board,
      StackConfig config,
      BounceSlots slots,
      DmaObserver dmaObserver,
      BooleanSupplier doorbell) {
    this.board = board;
    host = new DriverHost(board, DriverHost.Setup.of(slots).observedBy(dmaObserver));
    bootServices = host.bootServices();
    network = connectNetworkCard();
    Ref<SnpCounters> counters = new Ref<>();
    require(
        "LocateProtocol(SnpCounters)", bootServices.locateProtocol(SnpCounters.PROTOCOL, counters));
    networkCounters = counters.value;
    stack = new NetworkStack(bootServices, board.memory(), board.clock(), network, config.self());
    tcp = new Tcp(stack.sender(), stack.counters(), board.clock(), config.seed());
    udp = new Udp(stack.sender(), stack.counters(), board.clock());
    stack.add(tcp);
    stack.add(udp);
    require("NetworkStack", stack.open());
    packetOrTick = new Event[] {network.waitForPacket(), startTick(), listenTo(doorbell)};
    alarm = createTimer();
    packetTickOrAlarm = new Event[] {packetOrTick[0], packetOrTick[1], packetOrTick[2], alarm};
  }

  // ---- boot

  private SimpleNetwork connectNetworkCard() {
    VirtioNetDxe virtioNet =
        new VirtioNetDxe(bootServices, board.memory(), host.requiresAccessPlatform());
    require("VirtioNetDxe", virtioNet.install());
    host.connect();
    Ref<SimpleNetwork> snp = new Ref<>();
    EfiStatus status = bootServices.locateProtocol(SimpleNetwork.PROTOCOL, snp);
    if (status.isError()) {
      List<String> reasons = new ArrayList<>(host.complaints());
      virtioNet.lastStart().ifPresent(start -> reasons.add("VirtioNetDxe.Start: " + start));
      if (reasons.isEmpty()) {
        reasons.add("no virtio network card on the PCI bus");
      }
      throw new BootException("LocateProtocol(SimpleNetwork)", status, reasons);
    }
    return snp.value;
  }

  private Event startTick() {
    Event tick = createTimer();
    require("SetTimer", bootServices.setTimer(tick, TimerDelay.PERIODIC, TICK));
    return tick;
  }

  private Event createTimer() {
    Ref<Event> timer = new Ref<>();
    require("CreateEvent", bootServices.createEvent(EventType.TIMER, 0, null, null, timer));
    return timer.value;
  }

  /** An event whose function looks at the doorbell, as WaitForPacket's looks at the ring. */
  private Event listenTo(BooleanSupplier doorbell) {
    Ref<Event> rung = new Ref<>();
    require(
        "CreateEvent",
        bootServices.createEvent(
            EventType.NOTIFY_WAIT,
            Tpl.CALLBACK,
            (event, context) -> {
              if (doorbell.getAsBoolean()) {
                bootServices.signalEvent(event);
              }
            },
            null,
            rung));
    return rung.value;
  }

  private static void require(String step, EfiStatus status) {
    if (status.isError()) {
      throw new BootException(step, status);
    }
  }

  // ---- life

  /**
   * One turn of the guest's main loop: handles the frames that are there, or waits for one, at most
   * 10 ms of the guest's time. A guest that cannot answer waits for the device to transmit: for a
   * frame it need not wait, and would leave the device no time.
   */
  public void turn() {
    if (handleFrames()) {
      bootServices.waitForEvent(firstEvent, packetOrTick);
    }
  }

  /**
   * Likewise, for somebody who has something to do soon.
   *
   * @param nanos how long to wait for a frame at most, of the guest's time, in steps of 100;
   *     nothing or less than that does not wait
   */
  public void turn(long nanos) {
    if (handleFrames() && nanos > 0) {
      require(
          "SetTimer", bootServices.setTimer(alarm, TimerDelay.RELATIVE, nanos / NANOS_PER_UNIT));
      bootServices.waitForEvent(firstEvent, packetTickOrAlarm);
    }
  }

  /**
   * Handles the frames that are there.
   *
   * @return whether there is time to wait for one
   */
  private boolean handleFrames() {
    stack.tick(board.clock().nanos());
    for (int i = 0; i < services.size(); i++) {
      services.get(i).run();
    }
    if (stack.poll() != 0) {
      heldUpMicros = HELD_UP_MICROS;
      return false;
    }
    if (stack.isHeldUp()) {
      // Ever longer, since a device that has stopped may never make room.
      bootServices.stall(heldUpMicros);
      heldUpMicros = Math.min(2 * heldUpMicros, HELD_UP_LONGEST_MICROS);
      return false;
    }
    heldUpMicros = HELD_UP_MICROS;
    return true;
  }

  /** The network stack, to ping with. */
  public NetworkStack stack() {
    return stack;
  }

  /**
   * Has {@code service} run in every turn from now on, such as {@link
   * dev.virtiolab.firmware.stack.tcp.TcpEcho}: it does what can be done, and does not wait.
   */
  public void serve(Runnable service) {
    services.add(service);
  }

  /** TCP, to connect and listen with. */
  public Tcp tcp() {
    return tcp;
  }

  /** UDP, to open ports with. */
  public Udp udp() {
    return udp;
  }

  public SimpleNetwork network() {
    return network;
  }

  public BootServices bootServices() {
    return bootServices;
  }

  /**
   * Hands the machine over as an OS loader does: fetches the map, calls ExitBootServices, and once
   * more with a fresh map if a BeforeExitBootServices handler has changed it. No {@link #turn}
   * afterwards.
   */
  public EfiStatus exitBootServices() {
    EfiStatus status = bootServices.exitBootServices(mapKey());
    return status == EfiStatus.INVALID_PARAMETER ? bootServices.exitBootServices(mapKey()) : status;
  }

  private long mapKey() {
    LongRef size = new LongRef(Long.MAX_VALUE);
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    LongRef key = new LongRef();
    require("GetMemoryMap", bootServices.getMemoryMap(size, map, key));
    return key.value;
  }

  // ---- what was counted; from any thread

  public DmaCounters dmaCounters() {
    return host.dmaCounters();
  }

  public SnpCounters networkCounters() {
    return networkCounters;
  }
}
