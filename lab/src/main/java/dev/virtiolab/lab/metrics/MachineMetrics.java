package dev.virtiolab.lab.metrics;

import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.iommu.sev.SevPlatform;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.Fault;
import dev.virtiolab.net.fault.FaultCounters;
import dev.virtiolab.net.fault.FaultyBackend;
import dev.virtiolab.virtio.net.Drop;
import dev.virtiolab.virtio.net.NetCounters;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.queue.QueueCounters;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;

/** What a machine has to say: all names that a scrape shows. */
public final class MachineMetrics {
  private static final String DIRECTION = "direction";
  private static final String TO_GUEST = "to_guest";
  private static final String FROM_GUEST = "from_guest";
  private static final String QUEUE = "queue";
  private static final String[] QUEUES = {"receive", "transmit", "control"};

  private MachineMetrics() {}

  /** Of a running machine, and of the faults on its wire if there are any. */
  public static Metrics of(Machine machine, Optional<FaultyBackend> faults) {
    Metrics metrics = new Metrics();
    metrics
        .gauge("virtiolab_info", "Always 1; what machine this is, in its labels.")
        .sample(
            () -> 1,
            "platform",
            machine.board().platform().name(),
            "slot",
            machine.board().nicAddress().toString());
    nic(metrics, machine.board().nic());
    queues(metrics, machine.board().nic(), QUEUES.length);
    dma(metrics, machine.dma());
    platform(metrics, machine);
    wire(metrics, List.of(machine.wire()), machine::wireUp);
    faults.ifPresent(backend -> faults(metrics, backend.faults()));
    return metrics;
  }

  static void nic(Metrics metrics, VirtioNet nic) {
    NetCounters counters = nic.counters();
    metrics
        .counter("virtiolab_nic_frames_total", "Frames that the NIC moved.")
        .sample(counters::framesReceived, DIRECTION, TO_GUEST)
        .sample(counters::framesSent, DIRECTION, FROM_GUEST);
    metrics
        .counter("virtiolab_nic_bytes_total", "Bytes of the frames that the NIC moved.")
        .sample(counters::bytesReceived, DIRECTION, TO_GUEST)
        .sample(counters::bytesSent, DIRECTION, FROM_GUEST);
    Metrics.Family drops =
        metrics.counter("virtiolab_nic_drops_total", "Frames that the NIC dropped.");
    for (Drop reason : Drop.values()) {
      drops.sample(() -> counters.drops(reason), "reason", word(reason));
    }
    metrics
        .counter("virtiolab_nic_filtered_frames_total", "Frames that were for other stations.")
        .sample(counters::filteredFrames);
    metrics
        .counter(
            "virtiolab_nic_offloaded_frames_total",
            "Frames that the NIC cut or completed in software.")
        .sample(counters::workedIn, DIRECTION, TO_GUEST)
        .sample(counters::workedOut, DIRECTION, FROM_GUEST);
    metrics
        .counter("virtiolab_nic_commands_total", "Commands of the driver, by the answer.")
        .sample(counters::commandsDone, "ack", "ok")
        .sample(counters::commandsRefused, "ack", "err");
    metrics
        .counter("virtiolab_nic_interrupts_total", "Interrupts that the NIC raised.")
        .sample(counters::queueInterrupts, "cause", "queue")
        .sample(counters::configInterrupts, "cause", "config");
    metrics
        .counter("virtiolab_nic_resets_total", "Times that the driver reset the NIC.")
        .sample(counters::resets);
    metrics
        .counter("virtiolab_nic_breakdowns_total", "Times that the NIC set DEVICE_NEEDS_RESET.")
        .sample(counters::breakdowns);
    metrics
        .counter("virtiolab_nic_held_frames_total", "Frames that waited for room on the wire.")
        .sample(counters::heldBack);
  }

  /** Of the queues that there are whatever the driver agrees to: the first {@code count}. */
  static void queues(Metrics metrics, VirtioNet nic, int count) {
    Metrics.Family kicks =
        metrics.counter("virtiolab_queue_kicks_total", "Notifications from the driver.");
    Metrics.Family chains =
        metrics.counter("virtiolab_queue_chains_total", "Descriptor chains that the NIC took.");
    Metrics.Family completions =
        metrics.counter("virtiolab_queue_completions_total", "Buffers that the NIC gave back.");
    Metrics.Family faults =
        metrics.counter("virtiolab_queue_dma_faults_total", "Copies that met a DMA fault.");
    Metrics.Family offered =
        metrics.gauge(
            "virtiolab_queue_offered_buffers",
            "Buffers in the ring that are the NIC's: offered by the driver, not yet given back.");
    for (int queue = 0; queue < count; queue++) {
      int number = queue;
      QueueCounters counters = nic.queueCounters(queue);
      kicks.sample(() -> nic.counters().kicks(number), QUEUE, QUEUES[queue]);
      chains.sample(counters::chains, QUEUE, QUEUES[queue]);
      completions.sample(counters::completions, QUEUE, QUEUES[queue]);
      faults.sample(counters::payloadFaults, QUEUE, QUEUES[queue]);
      offered.sample(counters::offered, QUEUE, QUEUES[queue]);
    }
  }

  private static void dma(Metrics metrics, DmaCounters counters) {
    metrics
        .counter("virtiolab_dma_maps_total", "Mappings that the guest's drivers made.")
        .sample(counters::readMaps, "operation", "read")
        .sample(counters::writeMaps, "operation", "write")
        .sample(counters::commonBufferMaps, "operation", "common_buffer");
    metrics
        .counter("virtiolab_dma_map_failures_total", "Calls of Map that returned an error.")
        .sample(counters::failedMaps);
    metrics
        .counter("virtiolab_dma_unmaps_total", "Mappings that were taken down.")
        .sample(counters::unmaps);
    metrics
        .gauge("virtiolab_dma_open_mappings", "Mappings that are open.")
        .sample(counters::openMappings);
    metrics
        .counter("virtiolab_dma_bounced_bytes_total", "Bytes copied by way of bounce buffers.")
        .sample(counters::bytesBouncedToDevice, DIRECTION, "to_device")
        .sample(counters::bytesBouncedFromDevice, DIRECTION, "from_device");
  }

  private static void platform(Metrics metrics, Machine machine) {
    if (machine.board().platform() instanceof VtdPlatform vtd) {
      metrics
          .counter("virtiolab_iommu_faults_total", "Accesses that the IOMMU refused.")
          .sample(() -> vtd.counters().faults());
      metrics
          .counter("virtiolab_iommu_iotlb_lookups_total", "Looks at a page's translation.")
          .sample(() -> vtd.counters().iotlbHits(), "result", "hit")
          .sample(() -> vtd.counters().iotlbMisses(), "result", "miss");
    }
    if (machine.board().platform() instanceof SevPlatform sev) {
      metrics
          .gauge("virtiolab_sev_shared_pages", "Pages whose C-bit is clear.")
          .sample(() -> sev.counters().pagesShared());
    }
  }

  /** Of a wire, or of the queues of a TAP together. */
  static void wire(Metrics metrics, List<BackendCounters> ends, BooleanSupplier up) {
    metrics
        .gauge("virtiolab_wire_up", "Whether the wire is connected: 1, or 0.")
        .sample(() -> up.getAsBoolean() ? 1 : 0);
    metrics
        .counter("virtiolab_wire_frames_total", "Frames that crossed the back end.")
        .sample(sum(ends, BackendCounters::framesIn), DIRECTION, TO_GUEST)
        .sample(sum(ends, BackendCounters::framesOut), DIRECTION, FROM_GUEST);
    metrics
        .counter("virtiolab_wire_bytes_total", "Bytes of the frames that crossed the back end.")
        .sample(sum(ends, BackendCounters::bytesIn), DIRECTION, TO_GUEST)
        .sample(sum(ends, BackendCounters::bytesOut), DIRECTION, FROM_GUEST);
    metrics
        .counter("virtiolab_wire_drops_total", "Frames that the back end could not move.")
        .sample(sum(ends, BackendCounters::droppedIn), DIRECTION, TO_GUEST)
        .sample(sum(ends, BackendCounters::droppedOut), DIRECTION, FROM_GUEST);
    metrics
        .counter("virtiolab_wire_refusals_total", "Frames for which the wire had no room at first.")
        .sample(sum(ends, BackendCounters::refused));
  }

  private static LongSupplier sum(
      List<BackendCounters> ends, ToLongFunction<BackendCounters> counted) {
    return () -> ends.stream().mapToLong(counted).sum();
  }

  /** What befell frames, as seen from whoever is before the faults: a guest, or a switch. */
  static void faults(Metrics metrics, FaultCounters counters) {
    Metrics.Family frames =
        metrics.counter("virtiolab_fault_frames_total", "Frames that a fault befell.");
    Metrics.Family waiting =
        metrics.gauge("virtiolab_fault_waiting_frames", "Frames that are under way.");
    Metrics.Family bytes =
        metrics.gauge("virtiolab_fault_waiting_bytes", "Bytes of the frames that are under way.");
    for (Direction direction : Direction.values()) {
      String way = direction == Direction.IN ? TO_GUEST : FROM_GUEST;
      for (Fault fault : Fault.values()) {
        frames.sample(
            () -> counters.count(direction, fault), DIRECTION, way, "fault", fault.word());
      }
      waiting.sample(() -> counters.waiting(direction), DIRECTION, way);
      bytes.sample(() -> counters.waitingBytes(direction), DIRECTION, way);
    }
  }

  private static String word(Drop reason) {
    return reason.name().toLowerCase(Locale.ROOT);
  }
}
