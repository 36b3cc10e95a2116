package dev.virtiolab.virtio.queue;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.MappingGeneration;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The device's side of one split virtqueue (virtio v1.4 cs01, 2.7). The package description walks
 * through a buffer's life.
 *
 * <p>One thread owns a queue: every method is called from there, except {@link #counters()}, which
 * any thread may read. Nothing is allocated and nothing is thrown on account of the driver.
 * IllegalArgumentException, IllegalStateException and IndexOutOfBoundsException mean a mistake of
 * the device that calls.
 */
public final class SplitQueue {
  private static final VarHandle LE16 =
      ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
  private static final VarHandle LE32 =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private final BusMemory memory;
  private final int maximumSize;
  private final MappingGeneration mappings;
  private final DescriptorTable descriptors;
  private final DescriptorTable indirectTable;
  private final RingArea avail;
  private final RingArea used;
  private final DmaCopier fromDriver;
  private final DmaCopier toDriver;
  private final QueueCounters counters = new QueueCounters();

  private QueueState state = QueueState.STOPPED;
  private QueueError error = QueueError.NONE;
  private DmaFault fault = DmaFault.NONE;

  /** Counts configurations and resets, so that a chain of an earlier run is recognised. */
  private long run = 1;

  private int size;
  private int mask;
  private boolean eventIdx;
  private boolean indirect;
  private boolean notifyOnEmpty;

  /** A translation may come late. */
  private boolean mayPend;

  /** {@code avail.idx} as last read and checked. */
  private int availSeen;

  /** Index of the chain that is taken next. */
  private int availNext;

  /** Index of the used element that is written next. */
  private int usedNext;

  /** {@code used.idx} as last stored. */
  private int usedPublished;

  /** {@code used.idx} for which the driver's wish for an interrupt was read last. */
  private int usedDecided;

  private boolean kicksOff;

  /** Where the queue was resumed: the heads from there on are those in flight. */
  private int resumedAt;

  /** Heads that a device before this one took and did not use; empty once they are used. */
  private int[] inFlight = QueueResume.NOTHING;

  /** Told of each step; null where nobody is. */
  private QueueJournal journal;

  /**
   * A stopped queue.
   *
   * @param memory what the device sees of memory
   * @param maximumSize the largest size that {@link #configure} accepts, in descriptors: a power of
   *     two from 1 to 32768
   */
  public SplitQueue(BusMemory memory, int maximumSize) {
    if (Integer.bitCount(maximumSize) != 1 || maximumSize > SplitQueueLayout.MAX_SIZE) {
      throw new IllegalArgumentException("maximumSize=" + maximumSize);
    }
    this.memory = memory;
    this.maximumSize = maximumSize;
    mappings = memory.generation();
    descriptors = new DescriptorTable(memory);
    indirectTable = new DescriptorTable(memory);
    avail = new RingArea(memory, DmaAccess.READ);
    used = new RingArea(memory, DmaAccess.WRITE);
    fromDriver = new DmaCopier(memory, DmaAccess.READ);
    toDriver = new DmaCopier(memory, DmaAccess.WRITE);
  }

  /**
   * Starts the queue at index 0: what queue_enable does.
   *
   * @param queueSize descriptors: a power of two, at most the device's maximum
   * @param descriptorArea bus address of the descriptor table, a multiple of 16
   * @param driverArea bus address of the available ring, a multiple of 2
   * @param deviceArea bus address of the used ring, a multiple of 4
   * @param eventIdxNegotiated VIRTIO_F_EVENT_IDX
   * @param indirectNegotiated VIRTIO_F_INDIRECT_DESC
   * @return whether the queue is running; if not it is broken and {@link #error()} says why. Memory
   *     is not touched yet: a ring that cannot be reached breaks the queue when it is first used
   */
  public boolean configure(
      int queueSize,
      long descriptorArea,
      long driverArea,
      long deviceArea,
      boolean eventIdxNegotiated,
      boolean indirectNegotiated) {
    return resume(
        queueSize,
        descriptorArea,
        driverArea,
        deviceArea,
        eventIdxNegotiated,
        indirectNegotiated,
        QueueResume.FRESH);
  }

  /**
   * Starts the queue where another device left it. Otherwise as {@link #configure}.
   *
   * @param from where that is
   */
  public boolean resume(
      int queueSize,
      long descriptorArea,
      long driverArea,
      long deviceArea,
      boolean eventIdxNegotiated,
      boolean indirectNegotiated,
      QueueResume from) {
    reset();
    if (Integer.bitCount(queueSize) != 1 || queueSize < 1 || queueSize > maximumSize) {
      breakWith(QueueError.BAD_SIZE);
      return false;
    }
    if (descriptorArea % SplitQueueLayout.DESC_ALIGNMENT != 0
        || driverArea % SplitQueueLayout.AVAIL_ALIGNMENT != 0
        || deviceArea % SplitQueueLayout.USED_ALIGNMENT != 0) {
      breakWith(QueueError.RING_MISALIGNED);
      return false;
    }
    if (wraps(descriptorArea, SplitQueueLayout.descriptorBytes(queueSize))
        || wraps(driverArea, SplitQueueLayout.availBytes(queueSize, eventIdxNegotiated))
        || wraps(deviceArea, SplitQueueLayout.usedBytes(queueSize, eventIdxNegotiated))) {
      breakWith(QueueError.RING_UNREACHABLE);
      return false;
    }
    size = queueSize;
    mask = queueSize - 1;
    eventIdx = eventIdxNegotiated;
    indirect = indirectNegotiated;
    mayPend = memory.mayPend();
    descriptors.place(descriptorArea);
    avail.place(driverArea);
    used.place(deviceArea);
    availSeen = from.availIndex();
    availNext = availSeen;
    usedNext = from.usedIndex();
    usedPublished = usedNext;
    usedDecided = usedNext;
    resumedAt = availSeen;
    inFlight = from.inFlight();
    journal = from.journal();
    state = QueueState.RUNNING;
    return true;
  }

  /**
   * Stops the queue and forgets everything but the counters: device reset and queue reset (2.6.1).
   * Chains that were taken before are void: completing one has no effect.
   */
  public void reset() {
    run++;
    state = QueueState.STOPPED;
    size = 0;
    error = QueueError.NONE;
    fault = DmaFault.NONE;
    availSeen = 0;
    availNext = 0;
    usedNext = 0;
    usedPublished = 0;
    usedDecided = 0;
    counters.offered(0);
    kicksOff = false;
    descriptors.clear();
    indirectTable.clear();
    avail.clear();
    used.clear();
    fromDriver.clear();
    toDriver.clear();
    inFlight = QueueResume.NOTHING;
    journal = null;
    notifyOnEmpty = false;
  }

  /**
   * Sets VIRTIO_F_NOTIFY_ON_EMPTY, which only a legacy driver can negotiate, after the queue was
   * configured: {@link #publish} that leaves the queue empty always wants an interrupt (chapter 6,
   * "Legacy Interface: Reserved Feature Bits").
   */
  public void notifyOnEmpty(boolean negotiated) {
    notifyOnEmpty = negotiated;
  }

  public QueueState state() {
    return state;
  }

  /** How the driver broke the queue; NONE unless it is {@link QueueState#BROKEN}. */
  public QueueError error() {
    return error;
  }

  /** For {@link QueueError#RING_UNREACHABLE}: the fault that was met, if there was one. */
  public DmaFault fault() {
    return fault;
  }

  /** The present size in descriptors; 0 while it is stopped. */
  public int size() {
    return size;
  }

  /** The largest size that {@link #configure} accepts: the capacity that chains need. */
  public int maximumSize() {
    return maximumSize;
  }

  /** Index of the chain that is taken next: {@code last_avail_idx}. */
  public int availIndex() {
    return availNext;
  }

  /** Index of the used element that is written next. */
  public int usedIndex() {
    return usedNext;
  }

  public QueueCounters counters() {
    return counters;
  }

  /**
   * Takes the next chain that the driver has made available. It is then to be {@linkplain #complete
   * completed}, or, if nothing was taken after it, {@linkplain #rewind given back}.
   *
   * @param chain filled in; undefined unless the outcome is {@link Outcome#CHAIN}
   */
  public Outcome next(Chain chain) {
    if (state != QueueState.RUNNING) {
      return state == QueueState.BROKEN ? Outcome.BROKEN : Outcome.EMPTY;
    }
    if (chain.capacity() < size) {
      throw new IllegalArgumentException("capacity=" + chain.capacity() + " size=" + size);
    }
    long generation = mappings.acquire();
    if (availNext == availSeen) {
      Outcome seen = readAvailIndex(generation);
      if (seen != Outcome.CHAIN) {
        return seen;
      }
    }
    // A chain is taken only where its used element can be written: chains are used in the order in
    // which they are taken, so it lies here at the latest. Nothing is lost to a translation that
    // comes late.
    if (mayPend && usedElementPending(generation)) {
      return unreachable(used.fault());
    }
    boolean again = isInFlight(availNext);
    int head;
    if (again) {
      head = inFlight[RingIndex.distance(availNext, resumedAt)];
    } else {
      long at =
          avail.locate(
              SplitQueueLayout.AVAIL_RING
                  + (long) (availNext & mask) * SplitQueueLayout.AVAIL_ENTRY_BYTES,
              SplitQueueLayout.AVAIL_ENTRY_BYTES,
              generation);
      if (at < 0) {
        return unreachable(avail.fault());
      }
      // Opaque: read once. The acquire of avail.idx orders it.
      head = (short) LE16.getOpaque(avail.segment(), at) & 0xFFFF;
    }
    if (head >= size) {
      return breakWith(QueueError.HEAD_OUT_OF_RANGE);
    }
    QueueError why = walk(head, chain, generation);
    if (why != QueueError.NONE) {
      return why == QueueError.RING_UNREACHABLE ? unreachable(fault) : breakWith(why);
    }
    chain.taken(availNext, run);
    availNext = RingIndex.plus(availNext, 1);
    counters.chainTaken(kicksOff);
    if (journal != null && !again) {
      journal.taken(head);
    }
    return Outcome.CHAIN;
  }

  /** Whether what lies at {@code index} was taken by a device before this one. */
  private boolean isInFlight(int index) {
    return RingIndex.distance(index, resumedAt) < inFlight.length;
  }

  /** Whether the used element at {@link #availNext} cannot be reached for the time being. */
  private boolean usedElementPending(long generation) {
    long element = usedElement(availNext);
    if (used.locate(element, SplitQueueLayout.USED_ELEMENT_BYTES, generation) >= 0) {
      return false;
    }
    // It may lie across two pages: its fields do not.
    return (used.locate(element + SplitQueueLayout.USED_ELEMENT_ID, Integer.BYTES, generation) < 0
            && used.fault().mayPass())
        || (used.locate(element + SplitQueueLayout.USED_ELEMENT_LEN, Integer.BYTES, generation) < 0
            && used.fault().mayPass());
  }

  private long usedElement(int index) {
    return SplitQueueLayout.USED_RING + (long) (index & mask) * SplitQueueLayout.USED_ELEMENT_BYTES;
  }

  /**
   * Looks at the ring until it offers something, at most {@code looks} times, and takes nothing:
   * for a device in poll mode. It does not pause between looks; its caller does between calls,
   * which should last some microseconds, since a change of mappings is seen only by the next call.
   *
   * @param looks at least 1
   * @return whether {@link #next} has more to say than EMPTY or BLOCKED
   */
  public boolean spin(int looks) {
    if (state != QueueState.RUNNING) {
      return state == QueueState.BROKEN;
    }
    if (availNext != availSeen) {
      return true;
    }
    long at = avail.locate(SplitQueueLayout.AVAIL_IDX, Short.BYTES, mappings.acquire());
    if (at < 0) {
      return unreachable(avail.fault()) == Outcome.BROKEN;
    }
    MemorySegment ring = avail.segment();
    for (int i = 0; i < looks; i++) {
      if (loadIndexAcquire(ring, at) != availNext) {
        return true;
      }
    }
    return false;
  }

  /**
   * Gives the chain that was taken last back to the ring: the next {@link #next} takes it again,
   * and reads it anew.
   */
  public void rewind(Chain chain) {
    if (chain.owner() == run && RingIndex.plus(chain.index(), 1) != availNext) {
      throw new IllegalStateException(
          "not the last chain taken: index=" + chain.index() + " next=" + availNext);
    }
    if (!giveUp(chain)) {
      return;
    }
    availNext = chain.index();
    counters.chainGivenBack(kicksOff);
    if (journal != null && !isInFlight(availNext)) {
      journal.givenBack(chain.head());
    }
  }

  /**
   * Looks how far the driver has come now.
   *
   * @return whether there is more than at the last look
   */
  public boolean look() {
    int known = availSeen;
    return state == QueueState.RUNNING
        && readAvailIndex(mappings.acquire()) == Outcome.CHAIN
        && availSeen != known;
  }

  /**
   * Writes the used element of a chain. The driver sees it after {@link #publish}.
   *
   * @param writtenBytes bytes written from the start of the chain's writable part, at most {@link
   *     Chain#writableBytes()}
   */
  public void complete(Chain chain, int writtenBytes) {
    if (stage(chain, writtenBytes) && journal != null) {
      journalUsed(chain.head(), RingIndex.plus(usedNext, -1));
    }
  }

  /**
   * As {@link #complete}, for one of several chains that the driver is to see together: they are
   * then to be {@linkplain #keep kept}, or {@linkplain #takeBack taken back}, all of them and
   * before anything else is completed.
   *
   * @return whether the element was written; else there is nothing to keep, and the queue was reset
   *     or broken meanwhile
   */
  public boolean stage(Chain chain, int writtenBytes) {
    if (writtenBytes < 0 || writtenBytes > chain.writableBytes()) {
      throw new IllegalArgumentException(
          "writtenBytes=" + writtenBytes + " writableBytes=" + chain.writableBytes());
    }
    if (!giveUp(chain)) {
      return false;
    }
    if (state != QueueState.RUNNING) {
      return false; // The driver has broken the queue meanwhile.
    }
    long generation = mappings.acquire();
    long element = usedElement(usedNext);
    // Two fields, located one by one: an element may lie across two pages, a field does not.
    if (storeUsed32(element + SplitQueueLayout.USED_ELEMENT_ID, chain.head(), generation)
        && storeUsed32(element + SplitQueueLayout.USED_ELEMENT_LEN, writtenBytes, generation)) {
      usedNext = RingIndex.plus(usedNext, 1);
      return true;
    }
    return false;
  }

  /**
   * The chains that were staged last are complete.
   *
   * @param heads of them, in the order in which they were staged
   */
  public void keep(int[] heads, int chains) {
    if (state == QueueState.RUNNING && journal != null) {
      for (int i = 0; i < chains; i++) {
        journalUsed(heads[i], RingIndex.plus(usedNext, i - chains));
      }
    }
  }

  /**
   * Gives the chains that were staged last back to the ring: the driver has seen nothing of them,
   * and {@link #next} takes the first of them again.
   *
   * @param heads of them, in the order in which they were staged
   */
  public void takeBack(int[] heads, int chains) {
    if (state != QueueState.RUNNING) {
      return;
    }
    if (chains < 0 || chains > RingIndex.distance(usedNext, usedPublished)) {
      throw new IllegalStateException(
          "chains=" + chains + " unpublished=" + RingIndex.distance(usedNext, usedPublished));
    }
    usedNext = RingIndex.plus(usedNext, -chains);
    for (int i = chains - 1; i >= 0; i--) {
      availNext = RingIndex.plus(availNext, -1);
      counters.chainGivenBack(kicksOff);
      if (journal != null && !isInFlight(availNext)) {
        journal.givenBack(heads[i]);
      }
    }
  }

  private void journalUsed(int head, int index) {
    journal.used(head);
    journal.wroteUsed(usedElement(index), SplitQueueLayout.USED_ELEMENT_BYTES);
  }

  /**
   * Shows the driver every chain completed since the last time, with one store of {@code used.idx}.
   *
   * @return whether the driver wants an interrupt for it; true also where its wish cannot be read,
   *     since a spurious interrupt does no harm and a lost one does. Where reading it was put off
   *     the next call says it
   */
  public boolean publish() {
    if (state != QueueState.RUNNING || usedNext == usedDecided) {
      return false;
    }
    long generation = mappings.acquire();
    if (usedNext != usedPublished && !storeUsedIndex(generation)) {
      return false;
    }
    boolean wanted =
        (eventIdx ? usedEventPassed(usedDecided, generation) : interruptsOn(generation))
            || (notifyOnEmpty && ranEmpty(generation));
    if (avail.fault() == DmaFault.RETRY) {
      // Not before it is known: what was stored has not arrived yet, and an interrupt would.
      return false;
    }
    counters.published(RingIndex.distance(usedPublished, usedDecided), wanted);
    usedDecided = usedPublished;
    return wanted;
  }

  private boolean storeUsedIndex(long generation) {
    long at = used.locate(SplitQueueLayout.USED_IDX, Short.BYTES, generation);
    if (at < 0) {
      unreachable(used.fault());
      return false;
    }
    // Release: who acquires used.idx (the driver) sees the elements and the bytes in the buffers.
    LE16.setRelease(used.segment(), at, (short) usedNext);
    used.stored(SplitQueueLayout.USED_IDX, Short.BYTES);
    usedPublished = usedNext;
    if (journal != null) {
      journal.published(usedPublished);
      journal.wroteUsed(SplitQueueLayout.USED_IDX, Short.BYTES);
    }
    if (RingIndex.distance(usedPublished, resumedAt) >= inFlight.length) {
      inFlight = QueueResume.NOTHING; // the index may come by here again
    }
    counters.offered(RingIndex.distance(availSeen, usedPublished));
    // Full fence between our store of used.idx and our load of used_event or flags; its partner is
    // the driver's fence between its store of those and its load of used.idx. One of the two sees
    // the other's store, so no interrupt is lost.
    VarHandle.fullFence();
    return true;
  }

  /** Tells the driver that kicks are not needed: the device is polling (2.7.10). */
  public void disableKicks() {
    if (state != QueueState.RUNNING || kicksOff) {
      return;
    }
    kicksOff = true;
    // With EVENT_IDX flags stays 0; an avail_event that is left behind does the same.
    if (!eventIdx) {
      storeUsed16(SplitQueueLayout.USED_FLAGS, SplitQueueLayout.USED_F_NO_NOTIFY);
    }
  }

  /**
   * Asks the driver to kick when it makes the next chain available, then looks whether it has done
   * so already.
   *
   * @return whether there is something to take now, for which no kick may come: take it before
   *     waiting
   */
  public boolean enableKicks() {
    return kickAfter(availNext)
        && (availNext != availSeen || readAvailIndex(mappings.acquire()) == Outcome.CHAIN);
  }

  /**
   * As {@link #enableKicks}, by a device for which what it has seen is not enough: the kick is for
   * what comes after that.
   *
   * @return whether more has come already, for which no kick may come
   */
  public boolean enableKicksForMore() {
    return kickAfter(availSeen) && look();
  }

  /** Asks for a kick when the driver passes {@code index}; false if it cannot be asked. */
  private boolean kickAfter(int index) {
    if (state != QueueState.RUNNING) {
      return false;
    }
    kicksOff = false;
    boolean stored =
        eventIdx
            ? storeUsed16(SplitQueueLayout.availEvent(size), index)
            : storeUsed16(SplitQueueLayout.USED_FLAGS, 0);
    // Full fence between our store of avail_event or flags and our load of avail.idx; its partner
    // is the driver's fence between its store of avail.idx and its load of those. One of the two
    // sees the other's store, so no kick is lost.
    VarHandle.fullFence();
    return stored;
  }

  /**
   * Copies out of the device-readable part of a chain.
   *
   * @param chainOffset first byte, counted over all readable parts
   * @param length bytes; {@code chainOffset + length} is at most {@link Chain#readableBytes()}
   * @return NONE, or why an address could not be read: then the copy is incomplete
   */
  public DmaFault gather(
      Chain chain, int chainOffset, MemorySegment target, long targetOffset, int length) {
    if ((chainOffset | length) < 0 || length > chain.readableBytes() - chainOffset) {
      throw outOfChain("readable", chain.readableBytes(), chainOffset, length);
    }
    return transfer(fromDriver, chain, 0, chainOffset, target, targetOffset, length);
  }

  /**
   * Copies into the device-writable part of a chain.
   *
   * @param chainOffset first byte, counted over all writable parts
   * @param length bytes; {@code chainOffset + length} is at most {@link Chain#writableBytes()}
   * @return NONE, or why an address could not be written: then the copy is incomplete
   */
  public DmaFault scatter(
      Chain chain, int chainOffset, MemorySegment source, long sourceOffset, int length) {
    if ((chainOffset | length) < 0 || length > chain.writableBytes() - chainOffset) {
      throw outOfChain("writable", chain.writableBytes(), chainOffset, length);
    }
    return transfer(
        toDriver, chain, chain.readableParts(), chainOffset, source, sourceOffset, length);
  }

  private DmaFault transfer(
      DmaCopier copier,
      Chain chain,
      int firstPart,
      int chainOffset,
      MemorySegment local,
      long localOffset,
      int length) {
    long generation = mappings.acquire();
    int part = firstPart;
    int skip = chainOffset;
    while (skip > 0 && skip >= chain.length(part)) {
      skip -= chain.length(part);
      part++;
    }
    int done = 0;
    while (done < length) {
      int now = Math.min(length - done, chain.length(part) - skip);
      DmaFault met =
          copier.copy(chain.address(part) + skip, local, localOffset + done, now, generation);
      if (met != DmaFault.NONE) {
        if (!met.mayPass()) {
          counters.payloadFault();
        }
        return met;
      }
      if (journal != null && copier == toDriver) {
        journal.wroteBuffer(chain.address(part) + skip, now);
      }
      done += now;
      skip = 0;
      part++;
    }
    return DmaFault.NONE;
  }

  /** Follows a chain into private copies. Ends: each turn adds a part, or enters the one table. */
  private QueueError walk(int head, Chain chain, long generation) {
    DescriptorTable table = descriptors;
    long entries = size;
    int index = head;
    chain.begin(head);
    for (; ; ) {
      if (!table.read(index, generation)) {
        fault = table.fault();
        return QueueError.RING_UNREACHABLE;
      }
      int flags = table.flags();
      long length = table.length();
      if ((flags & DescriptorLayout.F_INDIRECT) != 0) {
        QueueError why = checkIndirect(table, flags, length);
        if (why != QueueError.NONE) {
          return why;
        }
        // F_WRITE is ignored here (2.7.5.3.2).
        indirectTable.place(table.address());
        entries = length / DescriptorLayout.BYTES;
        index = 0;
        table = indirectTable;
        continue;
      }
      boolean writable = (flags & DescriptorLayout.F_WRITE) != 0;
      if (chain.parts() == size) {
        return QueueError.CHAIN_TOO_LONG;
      }
      if (length == 0) {
        return QueueError.ZERO_LENGTH;
      }
      if (!writable && chain.writableParts() != 0) {
        return QueueError.READABLE_AFTER_WRITABLE;
      }
      if (length > Chain.MAX_BYTES - chain.totalBytes()) {
        return QueueError.TOTAL_LENGTH;
      }
      if (wraps(table.address(), length)) {
        return QueueError.ADDRESS_WRAP;
      }
      chain.add(table.address(), (int) length, writable);
      if ((flags & DescriptorLayout.F_NEXT) == 0) {
        return QueueError.NONE;
      }
      index = table.next();
      if (index >= entries) {
        return QueueError.NEXT_OUT_OF_RANGE;
      }
    }
  }

  private QueueError checkIndirect(DescriptorTable table, int flags, long length) {
    if (!indirect) {
      return QueueError.INDIRECT_NOT_NEGOTIATED;
    }
    if (table == indirectTable) {
      return QueueError.INDIRECT_NESTED;
    }
    if ((flags & DescriptorLayout.F_NEXT) != 0) {
      return QueueError.INDIRECT_WITH_NEXT;
    }
    if (length == 0 || length % DescriptorLayout.BYTES != 0) {
      return QueueError.INDIRECT_BAD_LENGTH;
    }
    return wraps(table.address(), length) ? QueueError.ADDRESS_WRAP : QueueError.NONE;
  }

  /** Ends the device's hold of a chain; false if a reset has ended it before. */
  private boolean giveUp(Chain chain) {
    if (chain.owner() == 0) {
      throw new IllegalStateException("not taken: head=" + chain.head());
    }
    boolean ofThisRun = chain.owner() == run;
    chain.done();
    return ofThisRun;
  }

  /** Looks how far the driver has come: CHAIN if there is something to take. */
  private Outcome readAvailIndex(long generation) {
    long at = avail.locate(SplitQueueLayout.AVAIL_IDX, Short.BYTES, generation);
    if (at < 0) {
      return unreachable(avail.fault());
    }
    int index = loadIndexAcquire(avail.segment(), at);
    // What the driver may have outstanding is counted from what we have shown it as used. An index
    // that went back looks like a jump too.
    if (RingIndex.distance(index, usedPublished) > size
        || RingIndex.distance(index, usedPublished)
            < RingIndex.distance(availNext, usedPublished)) {
      return breakWith(QueueError.AVAIL_JUMP);
    }
    availSeen = index;
    counters.offered(RingIndex.distance(availSeen, usedPublished));
    return availSeen == availNext ? Outcome.EMPTY : Outcome.CHAIN;
  }

  /**
   * Loads {@code avail.idx}: the only place that does. Acquire: pairs with the driver's barrier
   * before its store of avail.idx (2.7.13.3.1), so that ring entries, descriptors and buffers up to
   * the index are seen; and a loop that waits for it sees it move.
   */
  private static int loadIndexAcquire(MemorySegment ring, long at) {
    return (short) LE16.getAcquire(ring, at) & 0xFFFF;
  }

  private boolean usedEventPassed(int before, long generation) {
    long at =
        avail.locate(SplitQueueLayout.usedEvent(size), SplitQueueLayout.EVENT_BYTES, generation);
    if (at < 0) {
      unreachable(avail.fault());
      return true;
    }
    int event = (short) LE16.getOpaque(avail.segment(), at) & 0xFFFF;
    return RingIndex.passed(event, usedPublished, before);
  }

  private boolean interruptsOn(long generation) {
    long at = avail.locate(SplitQueueLayout.AVAIL_FLAGS, Short.BYTES, generation);
    if (at < 0) {
      unreachable(avail.fault());
      return true;
    }
    int flags = (short) LE16.getOpaque(avail.segment(), at);
    return (flags & SplitQueueLayout.AVAIL_F_NO_INTERRUPT) == 0;
  }

  /** Whether everything that the driver has made available was taken. */
  private boolean ranEmpty(long generation) {
    return availNext == availSeen && readAvailIndex(generation) == Outcome.EMPTY;
  }

  private boolean storeUsed16(long offset, int value) {
    long at = used.locate(offset, Short.BYTES, mappings.acquire());
    if (at < 0) {
      unreachable(used.fault());
      return false;
    }
    LE16.setOpaque(used.segment(), at, (short) value);
    used.stored(offset, Short.BYTES);
    if (journal != null) {
      journal.wroteUsed(offset, Short.BYTES);
    }
    return true;
  }

  private boolean storeUsed32(long offset, int value, long generation) {
    long at = used.locate(offset, Integer.BYTES, generation);
    if (at < 0) {
      // Also where the bus was taken away in mid-chain: the element is lost, which only a reset
      // mends.
      fault = used.fault();
      breakWith(QueueError.RING_UNREACHABLE);
      return false;
    }
    LE32.set(used.segment(), at, value);
    used.stored(offset, Integer.BYTES);
    return true;
  }

  /** A ring did not resolve: the driver's fault, unless it is but to be tried again. */
  private Outcome unreachable(DmaFault why) {
    if (why.mayPass()) {
      counters.foundBlocked();
      return Outcome.BLOCKED;
    }
    fault = why;
    return breakWith(QueueError.RING_UNREACHABLE);
  }

  private Outcome breakWith(QueueError why) {
    state = QueueState.BROKEN;
    error = why;
    counters.broke(why);
    return Outcome.BROKEN;
  }

  /** Whether {@code [address, address + length)} runs over 2^64; {@code length} is at least 1. */
  private static boolean wraps(long address, long length) {
    return Long.compareUnsigned(address + (length - 1), address) < 0;
  }

  private static IndexOutOfBoundsException outOfChain(
      String part, int bytes, int chainOffset, int length) {
    return new IndexOutOfBoundsException(
        part + "Bytes=" + bytes + " chainOffset=" + chainOffset + " length=" + length);
  }
}
