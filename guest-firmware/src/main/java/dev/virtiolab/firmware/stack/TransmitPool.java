package dev.virtiolab.firmware.stack;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;

/**
 * Guest memory that frames are sent from, in slots of one frame each, and the way they go.
 *
 * <pre>
 *   FREE --send()--> WAITING --transmit() accepted--> IN_FLIGHT --getStatus(), reset--> FREE
 *    ^                  ^  |  |
 *    |                  +--+  | transmit() NOT_READY
 *    +------------------------+ transmit() failed
 * </pre>
 *
 * <p>A slot has pages of its own, so that what is mapped for a device holds no other frame. Only
 * where packets are so small that the largest datagram needs many slots do these share pages:
 *
 * <pre>
 *   largest packet      68      576     1500     9000     9216
 *   slot               128     1024     4096    12288    12288 bytes
 *   slots             4096      256      128      128      128
 *   pages              128       64      128      384      384
 * </pre>
 *
 * <p>The interface takes so many frames at a time; the others wait here in order, and none is lost.
 * A frame that it fails on is: the interface has not got its buffer, which is free again, so that a
 * broken interface does not use up the pool and leave nothing to go on with once it is reset.
 */
final class TransmitPool {
  /**
   * Slots at least: twice what an interface takes at a time. There are more where twice the frames
   * of the largest answer are.
   */
  static final int MIN_FRAMES = 128;

  private static final int PAGE_BYTES = 4096;

  private enum State {
    FREE,
    WAITING,
    IN_FLIGHT
  }

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final SimpleNetwork snp;
  private final StackCounters counters;
  private final LongRef txBuf = new LongRef();

  // By slot, a power of 2 of them.
  private State[] states = {};
  private int[] lengths = {};
  private int[] free = {};
  private int[] waiting = {};

  private long base;
  private long pages;
  private int frames;
  private int slotBytes;
  private int freeCount;
  // Run free; masked at use.
  private int waitingHead;
  private int waitingTail;

  TransmitPool(
      BootServices bootServices, CpuMemory memory, SimpleNetwork snp, StackCounters counters) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.snp = snp;
    this.counters = counters;
  }

  /**
   * Allocates the slots.
   *
   * @param frameBytes of the longest frame
   * @param answerFrames of the largest answer: {@link #room} is at least this while nothing waits
   */
  EfiStatus open(int frameBytes, int answerFrames) {
    frames = Math.max(MIN_FRAMES, powerOfTwo(2 * answerFrames));
    slotBytes =
        frames > MIN_FRAMES && frameBytes <= PAGE_BYTES
            ? powerOfTwo(frameBytes)
            : (frameBytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    pages = (long) frames * slotBytes / PAGE_BYTES;
    LongRef address = new LongRef();
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages, address);
    if (status.isError()) {
      return status;
    }
    base = address.value;
    states = new State[frames];
    lengths = new int[frames];
    free = new int[frames];
    waiting = new int[frames];
    for (int i = 0; i < frames; i++) {
      states[i] = State.FREE;
      free[i] = i;
    }
    freeCount = frames;
    waitingHead = 0;
    waitingTail = 0;
    return EfiStatus.SUCCESS;
  }

  /**
   * Frees the pages. They are left allocated where the interface still runs and holds some of them:
   * better lost than handed to somebody else while a device reads them.
   */
  void close() {
    if (base == 0) {
      return;
    }
    reclaim();
    boolean quiet = snp.mode().state != SimpleNetworkMode.State.INITIALIZED;
    if (quiet || freeCount + (waitingTail - waitingHead) == frames) {
      bootServices.freePages(base, pages);
    }
    base = 0;
    freeCount = 0;
  }

  /** How many frames {@link #send} would take. */
  int room() {
    return freeCount;
  }

  /** Sends a frame, for which there is {@linkplain #room() room}, now or when its turn comes. */
  void send(MemorySegment frame, int length) {
    int index = free[--freeCount];
    memory.write(address(index), frame, 0, length);
    lengths[index] = length;
    states[index] = State.WAITING;
    waiting[waitingTail++ & frames - 1] = index;
  }

  /** Takes back what was transmitted, and hands over what waits. */
  void pump() {
    reclaim();
    // At most each waiting frame once, and one reclaim for each time the interface was full.
    while (waitingHead != waitingTail) {
      int index = waiting[waitingHead & frames - 1];
      EfiStatus status = snp.transmit(0, lengths[index], address(index), null, null, null);
      if (status == EfiStatus.NOT_READY) {
        counters.increment(StackCounter.TX_BUSY);
        if (reclaim() == 0) {
          return;
        }
        continue;
      }
      waitingHead++;
      if (status.isError()) {
        counters.increment(StackCounter.TX_ERROR);
        release(index);
      } else {
        counters.increment(StackCounter.TX_FRAMES);
        states[index] = State.IN_FLIGHT;
      }
    }
  }

  /** After a reset of the interface: what it held is ours again, and will not be handed back. */
  void forgetInFlight() {
    for (int index = 0; index < frames; index++) {
      if (states[index] == State.IN_FLIGHT) {
        release(index);
      }
    }
  }

  /**
   * Takes back transmitted buffers.
   *
   * @return how many
   */
  private int reclaim() {
    int reclaimed = 0;
    // The bound holds against an interface that never says 0.
    for (int i = 0; i < frames; i++) {
      EfiStatus status = snp.getStatus(null, txBuf);
      if (status.isError() || txBuf.value == 0) {
        break;
      }
      long offset = txBuf.value - base;
      int index = (int) (offset / slotBytes);
      if (offset < 0
          || offset >= (long) frames * slotBytes
          || offset % slotBytes != 0
          || states[index] != State.IN_FLIGHT) {
        counters.increment(StackCounter.TX_STRAY_BUFFER);
      } else {
        release(index);
        reclaimed++;
      }
    }
    return reclaimed;
  }

  private void release(int index) {
    states[index] = State.FREE;
    free[freeCount++] = index;
  }

  private long address(int index) {
    return base + (long) index * slotBytes;
  }

  /** The smallest one that is not less. */
  private static int powerOfTwo(int least) {
    return 1 << Integer.SIZE - Integer.numberOfLeadingZeros(least - 1);
  }
}
