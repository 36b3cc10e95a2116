package dev.virtiolab.firmware.smallnet;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.firmware.virtio.VirtioFeatures;
import dev.virtiolab.firmware.virtio.VirtioLib;
import dev.virtiolab.firmware.virtio.VirtioRing;
import dev.virtiolab.firmware.virtio.VirtioStatus;
import dev.virtiolab.firmware.virtio.VringLayout;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * A small driver for a virtio network card.
 *
 * <pre>
 *   start      reset, agree on features; map the rings; map and post receive buffers; go live
 *   transmit   put a frame into the next transmit buffer, map it, offer it, kick
 *   reclaim    transmit buffers that the device is done with: unmap
 *   receive    a receive buffer that the device has filled: unmap, copy out, map and post again
 *   quiesce    reset: the device is done with everything
 *   stop       quiesce; unmap what is still mapped; free
 * </pre>
 *
 * <p>Rings are CommonBuffer in memory from AllocateBuffer. A frame lies behind its 12-byte header
 * in a slot of an ordinary allocation, and is mapped for the time that the device has it:
 * BusMasterRead on its way out, BusMasterWrite on its way in.
 *
 * <pre>
 *   |0             |1536          |3072     |4096  |4608          |  ... 8 slots each way
 *   | slot 0       | slot 1       | slot 2  |      | slot 3       |
 *   +--+-----------+--+-----------+--+------+------+--+-----------+
 *   |12| 1514      |                  page boundary
 * </pre>
 *
 * <p>How memory is made ready for the device and taken back is in the protected methods: a subclass
 * that overrides one takes that decision differently, and is otherwise the same driver.
 *
 * <p>Left out, as not about DMA: the card's address, link state, filters, statistics, interrupts.
 */
public class SmallNet {
  /** Makes a driver, of this class or one derived from it. */
  @FunctionalInterface
  public interface Factory {
    /** A driver for {@code device}, which it does not touch yet. */
    SmallNet create(BootServices bootServices, CpuMemory memory, VirtioDevice device);
  }

  /** struct virtio_net_hdr: virtio v1.4, 5.1.6 "Device Operation". */
  public static final int HEADER_BYTES = 12;

  /** The longest Ethernet frame, without its checksum. */
  public static final int MAX_FRAME_BYTES = 1514;

  private static final int RECEIVEQ = 0;
  private static final int TRANSMITQ = 1;

  /** Frames that may be on their way, each way. */
  private static final int SLOTS = 8;

  private static final int SLOT_BYTES = 1536;
  private static final long PAGE_BYTES = 4096;
  private static final long AREA_PAGES = SLOTS * SLOT_BYTES / PAGE_BYTES;

  /** One of the two virtqueues and the frames behind it. */
  private static final class Queue {
    final int index;
    final DmaBuffer.Use use;
    final VirtioRing ring = new VirtioRing();
    final DmaBuffer[] posted = new DmaBuffer[SLOTS];
    DmaBuffer ringMemory;
    long ringPages;
    long frames;
    int nextSlot;

    Queue(int index, DmaBuffer.Use use) {
      this.index = index;
      this.use = use;
    }

    long slot(int number) {
      return frames + (long) SLOT_BYTES * number;
    }
  }

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final VirtioDevice device;
  private final Queue receiveQueue = new Queue(RECEIVEQ, DmaBuffer.Use.RECEIVE);
  private final Queue transmitQueue = new Queue(TRANSMITQ, DmaBuffer.Use.TRANSMIT);
  private final LongRef scratch = new LongRef();
  private boolean requiresAccessPlatform;

  /** A driver for {@code device}, which it does not touch yet. */
  public SmallNet(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.device = device;
  }

  // ---- the decisions about DMA

  /** What the device does with a buffer for {@code use}. */
  protected DmaOperation operation(DmaBuffer.Use use) {
    return switch (use) {
      case RING -> DmaOperation.BUS_MASTER_COMMON_BUFFER;
      case RECEIVE -> DmaOperation.BUS_MASTER_WRITE;
      case TRANSMIT -> DmaOperation.BUS_MASTER_READ;
    };
  }

  /** How much of {@code buffer} to map: what is used of it. */
  protected long bytesToMap(DmaBuffer buffer) {
    return buffer.bytes;
  }

  /** Memory for a CommonBuffer: AllocateBuffer gives it. */
  protected EfiStatus allocateCommonBuffer(long pages, LongRef hostAddress) {
    return device.allocateSharedPages(pages, hostAddress);
  }

  /** Gives back what {@link #allocateCommonBuffer} gave. */
  protected void freeCommonBuffer(long pages, long hostAddress) {
    device.freeSharedPages(pages, hostAddress);
  }

  /**
   * Makes a buffer ready for the device: from here on it is the device's.
   *
   * @param buffer out: {@code deviceAddress} and {@code mapping}
   * @return what Map returned, or OUT_OF_RESOURCES if it mapped less
   */
  protected EfiStatus map(DmaBuffer buffer) {
    LongRef deviceAddress = new LongRef();
    Ref<DmaMapping> mapping = new Ref<>();
    EfiStatus status =
        VirtioLib.virtioMapAllBytesInSharedBuffer(
            device,
            operation(buffer.use),
            buffer.hostAddress,
            bytesToMap(buffer),
            scratch,
            deviceAddress,
            mapping);
    if (!status.isError()) {
      buffer.deviceAddress = deviceAddress.value;
      buffer.mapping = mapping.value;
    }
    return status;
  }

  /** Takes a buffer back once the device is done with it; nothing to do if it is not mapped. */
  protected void unmap(DmaBuffer buffer) {
    if (buffer.mapping != null) {
      device.unmapSharedBuffer(buffer.mapping);
      buffer.mapping = null;
    }
  }

  /** The device has been told of a frame to transmit, and has it now. */
  protected void kicked(DmaBuffer frame) {}

  // ---- life

  /**
   * Makes {@link #start} refuse a card without VIRTIO_F_ACCESS_PLATFORM, with UNSUPPORTED: where an
   * IOMMU driver runs, such a card would go around it.
   */
  public final void requireAccessPlatform() {
    requiresAccessPlatform = true;
  }

  /**
   * Brings the card up, with every receive buffer posted.
   *
   * @return an error of the step that failed; {@link #stop} is still to be called
   */
  public final EfiStatus start() {
    EfiStatus status = negotiate();
    if (!status.isError()) {
      status = open(receiveQueue);
    }
    if (!status.isError()) {
      status = open(transmitQueue);
    }
    for (int slot = 0; slot < SLOTS && !status.isError(); slot++) {
      status = postReceive(slot);
    }
    if (!status.isError()) {
      status =
          device.setDeviceStatus(
              VirtioStatus.ACKNOWLEDGE
                  | VirtioStatus.DRIVER
                  | VirtioStatus.FEATURES_OK
                  | VirtioStatus.DRIVER_OK);
    }
    return status.isError() ? status : device.setQueueNotify(RECEIVEQ);
  }

  /** Steps 1 to 6 of virtio v1.4, 3.1.1 "Driver Requirements: Device Initialization". */
  private EfiStatus negotiate() {
    int greeted = VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER;
    EfiStatus status = device.setDeviceStatus(VirtioStatus.RESET);
    if (!status.isError()) {
      status = device.setDeviceStatus(VirtioStatus.ACKNOWLEDGE);
    }
    if (!status.isError()) {
      status = device.setDeviceStatus(greeted);
    }
    if (!status.isError()) {
      status = device.getDeviceFeatures(scratch);
    }
    if (status.isError()) {
      return status;
    }
    if (requiresAccessPlatform && (scratch.value & VirtioFeatures.ACCESS_PLATFORM) == 0) {
      return EfiStatus.UNSUPPORTED;
    }
    long wanted = VirtioFeatures.VERSION_1 | VirtioFeatures.ACCESS_PLATFORM;
    return VirtioLib.virtio10WriteFeatures(device, scratch.value & wanted, new IntRef(greeted));
  }

  private EfiStatus open(Queue queue) {
    IntRef size = new IntRef();
    EfiStatus status = device.setQueueSel(queue.index);
    if (!status.isError()) {
      status = device.getQueueNumMax(size);
    }
    if (status.isError()) {
      return status;
    }
    if (size.value < SLOTS
        || size.value > VringLayout.MAX_QUEUE_SIZE
        || Integer.bitCount(size.value) != 1) {
      return EfiStatus.UNSUPPORTED;
    }
    queue.ringPages = VirtioRing.pagesFor(size.value);
    status = allocateCommonBuffer(queue.ringPages, scratch);
    if (status.isError()) {
      return status;
    }
    queue.ringMemory =
        new DmaBuffer(DmaBuffer.Use.RING, scratch.value, queue.ringPages * PAGE_BYTES);
    queue.ring.layOut(memory, size.value, scratch.value);
    status =
        bootServices.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, AREA_PAGES, scratch);
    if (status.isError()) {
      return status;
    }
    queue.frames = scratch.value;
    memory.fill(queue.frames, AREA_PAGES * PAGE_BYTES, (byte) 0);
    status = map(queue.ringMemory);
    return status.isError() ? status : enable(queue);
  }

  private EfiStatus enable(Queue queue) {
    VirtioRing ring = queue.ring;
    ring.availFlags(VringLayout.AVAIL_F_NO_INTERRUPT);
    return device.setQueueAddress(
        ring.descriptorTable(),
        ring.availRing(),
        ring.usedRing(),
        queue.ringMemory.deviceAddress - queue.ringMemory.hostAddress);
  }

  private EfiStatus postReceive(int slot) {
    long address = receiveQueue.slot(slot);
    return post(
        receiveQueue,
        slot,
        new DmaBuffer(DmaBuffer.Use.RECEIVE, address, HEADER_BYTES + MAX_FRAME_BYTES));
  }

  /** Maps a buffer and offers it to the device: one descriptor, that of the slot. */
  private EfiStatus post(Queue queue, int slot, DmaBuffer buffer) {
    EfiStatus status = map(buffer);
    if (status.isError()) {
      return status;
    }
    queue.posted[slot] = buffer;
    int flags = queue.use == DmaBuffer.Use.RECEIVE ? VringLayout.DESC_F_WRITE : 0;
    queue.ring.descriptor(slot, buffer.deviceAddress, (int) buffer.bytes, flags, 0);
    queue.ring.offer(slot);
    queue.ring.publish();
    return EfiStatus.SUCCESS;
  }

  // ---- traffic

  /**
   * Gives a frame to the device.
   *
   * @param frame 14 to 1514 bytes, Ethernet header included
   * @return NOT_READY while the next transmit buffer is the device's still, or what Map returned
   */
  public final EfiStatus transmit(byte[] frame) {
    int slot = transmitQueue.nextSlot;
    if (transmitQueue.ring.isOut(slot)) {
      return EfiStatus.NOT_READY;
    }
    long address = transmitQueue.slot(slot);
    // No work is left to the device: 12 zero bytes (5.1.6.2 "Packet Transmission").
    memory.fill(address, HEADER_BYTES, (byte) 0);
    memory.write(address + HEADER_BYTES, MemorySegment.ofArray(frame), 0, frame.length);
    DmaBuffer buffer = new DmaBuffer(DmaBuffer.Use.TRANSMIT, address, HEADER_BYTES + frame.length);
    EfiStatus status = post(transmitQueue, slot, buffer);
    if (status.isError()) {
      return status;
    }
    transmitQueue.nextSlot = (slot + 1) % SLOTS;
    status = device.setQueueNotify(TRANSMITQ);
    kicked(buffer);
    return status;
  }

  /**
   * Takes back the transmit buffers that the device is done with.
   *
   * @return how many; 0 also where the used ring makes no sense
   */
  public final int reclaim() {
    int reclaimed = 0;
    for (int slot = takeUsed(transmitQueue); slot >= 0; slot = takeUsed(transmitQueue)) {
      unmap(transmitQueue.posted[slot]);
      reclaimed++;
    }
    return reclaimed;
  }

  /**
   * Takes the next frame that the device has received, and posts the buffer again.
   *
   * @return the frame; empty where there is none, or the used ring makes no sense
   */
  public final Optional<byte[]> receive() {
    int slot = takeUsed(receiveQueue);
    if (slot < 0) {
      return Optional.empty();
    }
    DmaBuffer buffer = receiveQueue.posted[slot];
    unmap(buffer);
    // Read once and checked: a device that says more than it was given is not believed.
    long written = Math.clamp(receiveQueue.ring.takenLength(), HEADER_BYTES, buffer.bytes);
    byte[] frame = new byte[(int) written - HEADER_BYTES];
    memory.read(buffer.hostAddress + HEADER_BYTES, MemorySegment.ofArray(frame), 0, frame.length);
    if (!postReceive(slot).isError()) {
      device.setQueueNotify(RECEIVEQ);
    }
    return Optional.of(frame);
  }

  /** The slot of the next buffer that the device is done with, or a negative number. */
  private static int takeUsed(Queue queue) {
    return queue.ring.look() > 0 ? queue.ring.take() : -1;
  }

  // ---- the end

  /** Stops the device's DMA: it is reset. Nothing is unmapped and nothing freed. */
  public final EfiStatus quiesce() {
    return device.setDeviceStatus(VirtioStatus.RESET);
  }

  /** Unmaps everything that is mapped; the device must be quiet. */
  public final void unmapAll() {
    for (Queue queue : new Queue[] {receiveQueue, transmitQueue}) {
      for (DmaBuffer buffer : queue.posted) {
        if (buffer != null) {
          unmap(buffer);
        }
      }
      if (queue.ringMemory != null) {
        unmap(queue.ringMemory);
      }
    }
  }

  /** Frees everything; nothing may be mapped any more. */
  public final void freeAll() {
    for (Queue queue : new Queue[] {receiveQueue, transmitQueue}) {
      if (queue.frames != 0) {
        bootServices.freePages(queue.frames, AREA_PAGES);
        queue.frames = 0;
      }
      if (queue.ringMemory != null) {
        freeCommonBuffer(queue.ringPages, queue.ringMemory.hostAddress);
        queue.ringMemory = null;
      }
    }
  }

  /**
   * Quiesces the device, unmaps and frees, also after a start that failed half way.
   *
   * @return what the reset returned
   */
  public final EfiStatus stop() {
    EfiStatus status = quiesce();
    unmapAll();
    freeAll();
    return status;
  }

  /** For subclasses that allocate elsewhere. */
  protected final BootServices bootServices() {
    return bootServices;
  }
}
