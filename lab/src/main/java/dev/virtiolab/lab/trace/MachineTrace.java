package dev.virtiolab.lab.trace;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.net.Drop;
import dev.virtiolab.virtio.net.VirtioNet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * One machine on the timeline: its device, its drivers and its platform, each a group of tracks.
 *
 * <pre>
 *   device    receive queue    a bar for each chain, from the available to the used ring; interrupts
 *             transmit queue   likewise
 *             control queue    likewise
 *             status           drops, faults, NEEDS_RESET, resets, configuration changes
 *   drivers   doorbell         kicks
 *             DMA              a bar for each mapping, from Map to Unmap; buffers
 *             steps            what whoever steps the machine tells, if somebody does
 *   platform  memory           C-bits that flip, faults, invalidations, cache maintenance
 * </pre>
 */
final class MachineTrace implements MachineObserver {
  private static final int DEVICE = 1;
  private static final int DRIVERS = 2;
  private static final int PLATFORM = 3;
  private static final int GROUPS = 3;

  /** Tracks of the device; those of the queues are {@code QUEUE + queue}. */
  private static final int QUEUE = 1;

  private static final int STATUS = QUEUE + VirtioNet.QUEUES;
  private static final int DOORBELL = 1;
  private static final int DMA = 2;
  private static final int MEMORY = 1;
  private static final int STEPS = 3;

  private static final String MAPPINGS = "mapping";

  /** An open mapping on the timeline. */
  private record Bar(long id, String name) {}

  private final TraceFile file;
  private final LongSupplier clock;
  private final int firstGroup;

  // Under the file's monitor.
  private final long[][] chainTakenAt = new long[VirtioNet.QUEUES][VirtioNet.MAX_QUEUE_SIZE];
  private final int[][] chainReadable = new int[VirtioNet.QUEUES][VirtioNet.MAX_QUEUE_SIZE];
  private final int[][] chainWritable = new int[VirtioNet.QUEUES][VirtioNet.MAX_QUEUE_SIZE];
  private final Map<DmaMapping, Bar> bars = new IdentityHashMap<>();
  private int barsMade;
  private boolean hasSteps;

  /**
   * @param clock nanoseconds on the trace's clock
   * @param machine how many machines are on the timeline already
   * @param nic what the device is called there, such as {@code virtio-net 00:04.0
   *     52:54:00:12:34:56}
   * @param platform what stands between device and memory
   */
  MachineTrace(TraceFile file, LongSupplier clock, int machine, String nic, String platform) {
    this.file = file;
    this.clock = clock;
    firstGroup = machine * GROUPS;
    synchronized (file) {
      group(DEVICE, nic);
      track(DEVICE, QUEUE + VirtioNet.RECEIVE_QUEUE, "receive queue");
      track(DEVICE, QUEUE + VirtioNet.TRANSMIT_QUEUE, "transmit queue");
      track(DEVICE, QUEUE + VirtioNet.CONTROL_QUEUE, "control queue");
      track(DEVICE, STATUS, "status");
      group(DRIVERS, "drivers of " + nic);
      track(DRIVERS, DOORBELL, "doorbell");
      track(DRIVERS, DMA, "DMA");
      group(PLATFORM, "platform " + platform);
      track(PLATFORM, MEMORY, "memory");
    }
  }

  private void group(int group, String name) {
    file.begin('M', "process_name", firstGroup + group, 0, 0).text("name", name).end();
  }

  private void track(int group, int track, String name) {
    file.begin('M', "thread_name", firstGroup + group, track, 0).text("name", name).end();
  }

  private TraceFile instant(int group, int track, String name) {
    return file.begin('i', name, firstGroup + group, track, clock.getAsLong()).ofTrack();
  }

  @Override
  public void noted(String actor, String what) {
    synchronized (file) {
      if (!hasSteps) {
        hasSteps = true;
        track(DRIVERS, STEPS, "steps");
      }
      instant(DRIVERS, STEPS, actor + ": " + what).end();
    }
  }

  // ---- device

  @Override
  public void chainTaken(int queue, int head, int readableBytes, int writableBytes) {
    synchronized (file) {
      chainTakenAt[queue][head] = clock.getAsLong();
      chainReadable[queue][head] = readableBytes;
      chainWritable[queue][head] = writableBytes;
    }
  }

  @Override
  public void chainUsed(int queue, int head, int writtenBytes) {
    chain("chain", queue, head, writtenBytes);
  }

  @Override
  public void chainLeft(int queue, int head) {
    chain("chain left in the ring", queue, head, 0);
  }

  private void chain(String name, int queue, int head, int writtenBytes) {
    synchronized (file) {
      long from = chainTakenAt[queue][head];
      file.begin('X', name, firstGroup + DEVICE, QUEUE + queue, from)
          .lasting(clock.getAsLong() - from)
          .number("head", head)
          .number("readable bytes", chainReadable[queue][head])
          .number("writable bytes", chainWritable[queue][head])
          .number("written bytes", writtenBytes)
          .end();
    }
  }

  @Override
  public void interrupted(int queue) {
    synchronized (file) {
      instant(DEVICE, QUEUE + queue, "interrupt").end();
    }
  }

  @Override
  public void configInterrupted() {
    status("configuration change");
  }

  @Override
  public void wasReset() {
    status("reset");
  }

  private void status(String name) {
    synchronized (file) {
      instant(DEVICE, STATUS, name).end();
    }
  }

  @Override
  public void dropped(Drop reason) {
    synchronized (file) {
      instant(DEVICE, STATUS, "drop").text("reason", reason.text()).end();
    }
  }

  @Override
  public void brokeDown(String why) {
    synchronized (file) {
      instant(DEVICE, STATUS, "DEVICE_NEEDS_RESET").text("why", why).end();
    }
  }

  @Override
  public void faulted(long address, DmaAccess access, DmaFault reason) {
    synchronized (file) {
      fault(instant(DEVICE, STATUS, "access refused"), address, access, reason);
    }
  }

  private static void fault(TraceFile event, long address, DmaAccess access, DmaFault reason) {
    event
        .address("bus address", address)
        .text("access", access.name())
        .text("reason", reason.name())
        .end();
  }

  // ---- drivers

  @Override
  public void kicked(int queue) {
    synchronized (file) {
      instant(DRIVERS, DOORBELL, "kick " + name(queue)).end();
    }
  }

  private static String name(int queue) {
    return switch (queue) {
      case VirtioNet.RECEIVE_QUEUE -> "receive";
      case VirtioNet.TRANSMIT_QUEUE -> "transmit";
      default -> "control";
    };
  }

  @Override
  public void mapped(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      long bytesMapped,
      long deviceAddress,
      DmaMapping mapping) {
    synchronized (file) {
      Bar bar = new Bar((long) firstGroup << Integer.SIZE | barsMade++, operation.name());
      bars.put(mapping, bar);
      bar('b', bar)
          .text("function", function(requesterId))
          .address("host address", hostAddress)
          .address("device address", deviceAddress)
          .number("bytes", bytesMapped)
          .end();
    }
  }

  @Override
  public void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {
    synchronized (file) {
      if (status.isError()) {
        instant(DRIVERS, DMA, "Unmap refused")
            .text("function", function(requesterId))
            .text("status", status.name())
            .end();
        return;
      }
      endBar(mapping);
    }
  }

  @Override
  public void tornDown(DmaMapping mapping) {
    synchronized (file) {
      endBar(mapping);
    }
  }

  private void endBar(DmaMapping mapping) {
    Bar bar = bars.remove(mapping);
    if (bar != null) { // else it was mapped before anybody looked
      bar('e', bar).end();
    }
  }

  private TraceFile bar(char phase, Bar bar) {
    return file.begin(phase, bar.name, firstGroup + DRIVERS, DMA, clock.getAsLong())
        .joinedBy(MAPPINGS, bar.id);
  }

  @Override
  public void mapFailed(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      EfiStatus status) {
    synchronized (file) {
      instant(DRIVERS, DMA, "Map refused")
          .text("function", function(requesterId))
          .text("operation", operation.name())
          .address("host address", hostAddress)
          .number("bytes", bytesAsked)
          .text("status", status.name())
          .end();
    }
  }

  @Override
  public void bufferAllocated(int requesterId, long pages, long hostAddress) {
    buffer("AllocateBuffer", requesterId, pages, hostAddress);
  }

  @Override
  public void bufferFreed(int requesterId, long pages, long hostAddress, EfiStatus status) {
    buffer(status.isError() ? "FreeBuffer refused" : "FreeBuffer", requesterId, pages, hostAddress);
  }

  private void buffer(String name, int requesterId, long pages, long hostAddress) {
    synchronized (file) {
      instant(DRIVERS, DMA, name)
          .text("function", function(requesterId))
          .address("host address", hostAddress)
          .number("pages", pages)
          .end();
    }
  }

  private static String function(int requesterId) {
    return PciAddress.ofRequesterId(requesterId).toString();
  }

  // ---- platform

  @Override
  public void flipped(long address, long pages, boolean shared) {
    synchronized (file) {
      instant(PLATFORM, MEMORY, shared ? "C-bit off: shared" : "C-bit on: private")
          .address("address", address)
          .number("pages", pages)
          .end();
    }
  }

  @Override
  public void faulted(int requesterId, long address, DmaAccess access, DmaFault reason) {
    synchronized (file) {
      fault(
          instant(PLATFORM, MEMORY, "fault").text("function", function(requesterId)),
          address,
          access,
          reason);
    }
  }

  @Override
  public void invalidated(String scope, long address, long pages) {
    synchronized (file) {
      instant(PLATFORM, MEMORY, "invalidate")
          .text("scope", scope)
          .address("bus address", address)
          .number("pages", pages)
          .end();
    }
  }

  @Override
  public void maintained(long address, long bytes, boolean writtenBack, boolean forgotten) {
    synchronized (file) {
      String name =
          writtenBack ? (forgotten ? "write back and invalidate" : "write back") : "invalidate";
      instant(PLATFORM, MEMORY, name).address("address", address).number("bytes", bytes).end();
    }
  }
}
