package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.firmware.virtio.VirtioLib;
import dev.virtiolab.firmware.virtio.VirtioRing;
import dev.virtiolab.firmware.virtio.VringLayout;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * The transmit queue.
 *
 * <p>Request N owns descriptors 2N and 2N+1 and header N of a page that is private to the firmware.
 * Header and caller's buffer are each mapped BusMasterRead when the request goes out, and unmapped
 * when it comes back:
 *
 * <pre>{@code
 * available ring          descriptors            device addresses       guest-physical
 * +----+----+----+        +-------------+
 * | .. | 2N | .. | -----> | D(2N)  NEXT | -----> [header, 12 bytes] <-- map -- header page, slot N
 * +----+----+----+        +------|------+
 *                         +------v------+
 *                         | D(2N+1)     | -----> [frame, 14-18+mtu] <-- map -- caller's buffer
 *                         +-------------+
 * used ring  2N  -----> shadow of request N -----> unmap both, hand the buffer back, N is free
 * }</pre>
 *
 * <p>Free requests are a stack: the one used last, whose cache lines are warm, goes first. What a
 * completion means is looked up by its descriptor in arrays that the device cannot reach.
 */
final class VirtioNetTransmitter {
  /** From {@link #takeCompleted}: the used ring lied. A buffer's address is never this. */
  static final long DEVICE_LIED = -1;

  /** Headers lie in cache lines of their own: 64 of them fill a page. */
  private static final int HEADER_STRIDE = 64;

  private static final int HEADER_PAGES = 1;

  private final BootServices bootServices;
  private final VirtioDevice virtIo;
  private final CpuMemory memory;
  private final VirtioNetQueue queue;
  private final VirtioRing ring;
  private final SnpCounters counters;

  private final LongRef mapped = new LongRef();
  private final LongRef headerDeviceAddress = new LongRef();
  private final LongRef bufferDeviceAddress = new LongRef();
  private final Ref<DmaMapping> headerMapping = new Ref<>();
  private final Ref<DmaMapping> bufferMapping = new Ref<>();
  private final int headerSize;

  private long headers;
  private int[] freeStack = new int[0];
  private int free;

  // Shadows, by request: what is in flight.
  private long[] buffers = new long[0];
  private DmaMapping[] headerMappings = new DmaMapping[0];
  private DmaMapping[] bufferMappings = new DmaMapping[0];

  VirtioNetTransmitter(
      BootServices bootServices,
      VirtioDevice virtIo,
      CpuMemory memory,
      VirtioNetQueue queue,
      SnpCounters counters) {
    this.bootServices = bootServices;
    this.virtIo = virtIo;
    this.memory = memory;
    this.queue = queue;
    this.ring = queue.ring();
    this.counters = counters;
    this.headerSize = VirtioNetLayout.headerSize(virtIo.revision());
  }

  /** Allocates the page of headers; the queue is open. */
  EfiStatus open() {
    LongRef page = new LongRef();
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, HEADER_PAGES, page);
    if (status.isError()) {
      return status;
    }
    headers = page.value;
    int pending = queue.pending();
    freeStack = new int[pending];
    buffers = new long[pending];
    headerMappings = new DmaMapping[pending];
    bufferMappings = new DmaMapping[pending];
    return EfiStatus.SUCCESS;
  }

  /**
   * Lays out the chains in a ring that is clear. Completions are polled for, without interrupts.
   */
  void layOut() {
    // No checksum or segmentation is left to the device, and num_buffers is 0 on transmit (5.1.6.2
    // "Packet Transmission"): every header is 12 zero bytes, or 10, always.
    memory.fill(headers, (long) HEADER_STRIDE * freeStack.length, (byte) 0);
    free = freeStack.length;
    for (int request = 0; request < free; request++) {
      // The top of the stack is request 0.
      freeStack[request] = free - 1 - request;
      int head = 2 * request;
      ring.descriptor(head, 0, headerSize, VringLayout.DESC_F_NEXT, head + 1);
      ring.descriptor(head + 1, 0, 0, 0, 0);
    }
    ring.availFlags(VringLayout.AVAIL_F_NO_INTERRUPT);
  }

  boolean isFull() {
    return free == 0;
  }

  /**
   * Gives a frame to the device; there must be a free request. To be followed by {@link
   * #kickIfWanted}.
   *
   * @param buffer guest-physical address of the frame
   * @param length in bytes, media header included
   * @return DEVICE_ERROR where it cannot be mapped; then the device has not got it
   */
  EfiStatus send(long buffer, int length) {
    int request = freeStack[free - 1];
    int head = 2 * request;
    long header = headers + (long) HEADER_STRIDE * request;
    EfiStatus status =
        VirtioLib.virtioMapAllBytesInSharedBuffer(
            virtIo,
            DmaOperation.BUS_MASTER_READ,
            header,
            headerSize,
            mapped,
            headerDeviceAddress,
            headerMapping);
    if (status.isError()) {
      counters.increment(SnpCounter.TX_MAP_FAILED);
      return EfiStatus.DEVICE_ERROR;
    }
    status =
        VirtioLib.virtioMapAllBytesInSharedBuffer(
            virtIo,
            DmaOperation.BUS_MASTER_READ,
            buffer,
            length,
            mapped,
            bufferDeviceAddress,
            bufferMapping);
    if (status.isError()) {
      unmap(headerMapping.value);
      counters.increment(SnpCounter.TX_MAP_FAILED);
      return EfiStatus.DEVICE_ERROR;
    }
    free--;
    buffers[request] = buffer;
    headerMappings[request] = headerMapping.value;
    bufferMappings[request] = bufferMapping.value;
    ring.repoint(head, headerDeviceAddress.value, headerSize);
    ring.repoint(head + 1, bufferDeviceAddress.value, length);
    ring.offer(head);
    ring.publish();
    return EfiStatus.SUCCESS;
  }

  /** Notifies the device of what was given to it, unless it does not want to know. */
  EfiStatus kickIfWanted() {
    if (!ring.kickWanted()) {
      return EfiStatus.SUCCESS;
    }
    counters.increment(SnpCounter.TX_KICKS);
    return queue.kick();
  }

  /** Requests completed and not yet taken, or {@link VirtioRing#DEVICE_LIED}. */
  int completed() {
    return ring.look();
  }

  /**
   * Takes a completed request back, unmaps what was mapped for it and frees it; only while {@link
   * #completed} is more than 0.
   *
   * @return the caller's buffer, or {@link #DEVICE_LIED}
   */
  long takeCompleted() {
    int head = ring.take();
    if (head == VirtioRing.DEVICE_LIED) {
      return DEVICE_LIED;
    }
    int request = head / 2;
    release(request);
    freeStack[free++] = request;
    counters.increment(SnpCounter.TX_DONE);
    return buffers[request];
  }

  /** Unmaps what is in flight, which is lost. The device must have been reset. */
  void abandon() {
    for (int request = 0; request < bufferMappings.length; request++) {
      if (bufferMappings[request] != null) {
        release(request);
        counters.increment(SnpCounter.TX_LOST);
      }
    }
  }

  /** Gives back everything {@link #open} and {@link #send} took, if anything. */
  void close() {
    abandon();
    if (headers != 0) {
      bootServices.freePages(headers, HEADER_PAGES);
      headers = 0;
    }
  }

  private void release(int request) {
    unmap(bufferMappings[request]);
    unmap(headerMappings[request]);
    bufferMappings[request] = null;
    headerMappings[request] = null;
  }

  private void unmap(DmaMapping mapping) {
    if (virtIo.unmapSharedBuffer(mapping).isError()) {
      counters.increment(SnpCounter.UNMAP_FAILED);
    }
  }
}
