package dev.virtiolab.testkit;

import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.net.SnpCounter;
import dev.virtiolab.firmware.net.SnpCounters;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.StackCounters;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.Fault;
import dev.virtiolab.net.fault.FaultCounters;
import dev.virtiolab.virtio.net.Drop;
import dev.virtiolab.virtio.net.NetCounters;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.queue.QueueCounters;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * What was counted at one guest until one moment, by everybody who counts. Two of them make a
 * difference:
 *
 * <pre>{@code
 * Counters before = guest.counters();
 * ...
 * assertEquals(0, guest.counters().minus(before).nic().drops(Drop.RX_NO_ROOM));
 * }</pre>
 *
 * <p>Counters that are written by running threads are read one after the other: while traffic runs,
 * two of them need not be of the same moment.
 *
 * @param nic what the device did
 * @param receive what the device saw of the receive queue
 * @param transmit likewise of the transmit queue
 * @param dma what the guest's drivers mapped
 * @param wire what crossed the back end behind the faults
 * @param toGuest what the faults did to frames to the guest
 * @param fromGuest likewise to frames of the guest
 * @param driver what VirtioNetDxe counted
 * @param stack what the guest's network stack counted
 */
public record Counters(
    Nic nic,
    Ring receive,
    Ring transmit,
    Dma dma,
    Backend wire,
    Faults toGuest,
    Faults fromGuest,
    Map<SnpCounter, Long> driver,
    Map<StackCounter, Long> stack) {

  /**
   * The device.
   *
   * @param kicks notifications that the driver gave, for both queues
   * @param interrupts that the device raised for used buffers
   * @param configInterrupts that it raised for changes of configuration and status
   * @param breakdowns times that it set DEVICE_NEEDS_RESET
   * @param resets times that the driver reset it
   * @param heldBack frames that waited for room on the wire
   * @param dropsByReason frames that it dropped
   */
  public record Nic(
      long framesToGuest,
      long bytesToGuest,
      long framesFromGuest,
      long bytesFromGuest,
      long kicks,
      long interrupts,
      long configInterrupts,
      long breakdowns,
      long resets,
      long heldBack,
      Map<Drop, Long> dropsByReason) {

    /** Frames dropped for one reason. */
    public long drops(Drop reason) {
      return dropsByReason.get(reason);
    }

    /** Frames dropped. */
    public long drops() {
      return sum(dropsByReason);
    }

    static Nic of(NetCounters counters) {
      return new Nic(
          counters.framesReceived(),
          counters.bytesReceived(),
          counters.framesSent(),
          counters.bytesSent(),
          counters.kicks(VirtioNet.RECEIVE_QUEUE) + counters.kicks(VirtioNet.TRANSMIT_QUEUE),
          counters.queueInterrupts(),
          counters.configInterrupts(),
          counters.breakdowns(),
          counters.resets(),
          counters.heldBack(),
          read(Drop.class, counters::drops));
    }

    Nic minus(Nic earlier) {
      return new Nic(
          framesToGuest - earlier.framesToGuest,
          bytesToGuest - earlier.bytesToGuest,
          framesFromGuest - earlier.framesFromGuest,
          bytesFromGuest - earlier.bytesFromGuest,
          kicks - earlier.kicks,
          interrupts - earlier.interrupts,
          configInterrupts - earlier.configInterrupts,
          breakdowns - earlier.breakdowns,
          resets - earlier.resets,
          heldBack - earlier.heldBack,
          difference(Drop.class, dropsByReason, earlier.dropsByReason));
    }
  }

  /**
   * A queue.
   *
   * @param chains taken by the device
   * @param completions used elements that it wrote
   * @param publications stores of {@code used.idx}: one for each batch
   * @param offered buffers that are the device's at the moment; a difference has the later value
   */
  public record Ring(long chains, long completions, long publications, long offered) {
    static Ring of(QueueCounters counters) {
      return new Ring(
          counters.chains(), counters.completions(), counters.publications(), counters.offered());
    }

    Ring minus(Ring earlier) {
      return new Ring(
          chains - earlier.chains,
          completions - earlier.completions,
          publications - earlier.publications,
          offered);
    }
  }

  /**
   * Mappings.
   *
   * @param failed calls of Map that returned an error
   * @param open mappings that are open at the moment; a difference has the later value
   * @param bytesBounced copied by way of bounce buffers
   * @param faults accesses that the IOMMU refused and reported
   */
  public record Dma(
      long maps, long unmaps, long failed, long open, long bytesBounced, long faults) {
    static Dma of(DmaCounters counters) {
      return new Dma(
          counters.maps(),
          counters.unmaps(),
          counters.failedMaps(),
          counters.openMappings(),
          counters.bytesBouncedToDevice() + counters.bytesBouncedFromDevice(),
          counters.faultsReported());
    }

    Dma minus(Dma earlier) {
      return new Dma(
          maps - earlier.maps,
          unmaps - earlier.unmaps,
          failed - earlier.failed,
          open,
          bytesBounced - earlier.bytesBounced,
          faults - earlier.faults);
    }
  }

  /**
   * The wire behind the faults, as its own counters have it: in is towards the guest.
   *
   * @param droppedIn frames that were not fit to be shown
   * @param droppedOut frames that the wire lost
   * @param refused frames for which the wire had no room at first
   */
  public record Backend(
      long framesIn,
      long bytesIn,
      long framesOut,
      long bytesOut,
      long droppedIn,
      long droppedOut,
      long refused) {
    static Backend of(BackendCounters counters) {
      return new Backend(
          counters.framesIn(),
          counters.bytesIn(),
          counters.framesOut(),
          counters.bytesOut(),
          counters.droppedIn(),
          counters.droppedOut(),
          counters.refused());
    }

    Backend minus(Backend earlier) {
      return new Backend(
          framesIn - earlier.framesIn,
          bytesIn - earlier.bytesIn,
          framesOut - earlier.framesOut,
          bytesOut - earlier.bytesOut,
          droppedIn - earlier.droppedIn,
          droppedOut - earlier.droppedOut,
          refused - earlier.refused);
    }
  }

  /**
   * One direction of the faults. When nothing moves, frames and their copies are passed, dropped or
   * waiting.
   *
   * @param frames that came
   * @param passed frames and copies that were handed on
   * @param waiting that are under way at the moment; a difference has the later value
   * @param byKind frames that each fault befell
   */
  public record Faults(long frames, long passed, long waiting, Map<Fault, Long> byKind) {
    /** Frames that this befell. */
    public long count(Fault fault) {
      return byKind.get(fault);
    }

    /** Frames that did not arrive, for whatever reason. */
    public long dropped() {
      return byKind.entrySet().stream()
          .filter(entry -> entry.getKey().isDrop())
          .mapToLong(Map.Entry::getValue)
          .sum();
    }

    static Faults of(FaultCounters counters, Direction direction) {
      return new Faults(
          counters.frames(direction),
          counters.passed(direction),
          counters.waiting(direction),
          read(Fault.class, fault -> counters.count(direction, fault)));
    }

    Faults minus(Faults earlier) {
      return new Faults(
          frames - earlier.frames,
          passed - earlier.passed,
          waiting,
          difference(Fault.class, byKind, earlier.byKind));
    }
  }

  static Counters of(
      VirtioNet device,
      DmaCounters dma,
      BackendCounters wire,
      FaultCounters faults,
      SnpCounters driver,
      StackCounters stack) {
    return new Counters(
        Nic.of(device.counters()),
        Ring.of(device.queueCounters(VirtioNet.RECEIVE_QUEUE)),
        Ring.of(device.queueCounters(VirtioNet.TRANSMIT_QUEUE)),
        Dma.of(dma),
        Backend.of(wire),
        Faults.of(faults, Direction.IN),
        Faults.of(faults, Direction.OUT),
        read(SnpCounter.class, driver::value),
        read(StackCounter.class, stack::value));
  }

  /** What was counted since. What is a number of the moment stays the later one. */
  public Counters minus(Counters earlier) {
    return new Counters(
        nic.minus(earlier.nic),
        receive.minus(earlier.receive),
        transmit.minus(earlier.transmit),
        dma.minus(earlier.dma),
        wire.minus(earlier.wire),
        toGuest.minus(earlier.toGuest),
        fromGuest.minus(earlier.fromGuest),
        difference(SnpCounter.class, driver, earlier.driver),
        difference(StackCounter.class, stack, earlier.stack));
  }

  private static <E extends Enum<E>> Map<E, Long> read(Class<E> type, ToLongFunction<E> value) {
    Map<E, Long> values = new EnumMap<>(type);
    for (E key : type.getEnumConstants()) {
      values.put(key, value.applyAsLong(key));
    }
    return Collections.unmodifiableMap(values);
  }

  private static <E extends Enum<E>> Map<E, Long> difference(
      Class<E> type, Map<E, Long> later, Map<E, Long> earlier) {
    return read(type, key -> later.get(key) - earlier.get(key));
  }

  private static long sum(Map<?, Long> values) {
    return values.values().stream().mapToLong(Long::longValue).sum();
  }
}
