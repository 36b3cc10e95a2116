package dev.virtiolab.net.fault;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Frames that are under way, the next one due first; of those that are due at the same time, the
 * one that came first.
 *
 * <p>Bounded in frames and in bytes, and made of what does not grow: a binary heap of entries, and
 * blocks of native memory of which each entry holds a chain. Nothing is allocated per frame.
 */
final class DelayLine {
  /** Bytes of frames that are under way at most, in whole blocks. */
  static final int CAPACITY_BYTES = 8 << 20;

  private static final int BLOCK_BYTES = 2048;
  private static final int BLOCKS = CAPACITY_BYTES / BLOCK_BYTES;
  private static final int END = -1;

  private final MemorySegment blocks;
  private final int[] nextBlock = new int[BLOCKS];
  private int freeBlock;
  private int freeBlocks = BLOCKS;

  // Entries: which are free, and what each is.
  private int[] free = {};
  private long[] due = {};
  private long[] order = {};
  private long[] number = {};
  private boolean[] copy = {};
  private int[] length = {};
  private int[] firstBlock = {};

  /** Entries in use, the next one due first. */
  private int[] heap = {};

  private int frames;
  private long bytes;
  private long arrivals;

  DelayLine(Arena arena) {
    blocks = arena.allocate(CAPACITY_BYTES, Long.BYTES);
    for (int block = 0; block < BLOCKS; block++) {
      nextBlock[block] = block + 1 < BLOCKS ? block + 1 : END;
    }
  }

  /** Makes room for so many entries; what is under way stays. */
  void reserve(int entries) {
    int before = due.length;
    if (entries <= before) {
      return;
    }
    due = Arrays.copyOf(due, entries);
    order = Arrays.copyOf(order, entries);
    number = Arrays.copyOf(number, entries);
    copy = Arrays.copyOf(copy, entries);
    length = Arrays.copyOf(length, entries);
    firstBlock = Arrays.copyOf(firstBlock, entries);
    heap = Arrays.copyOf(heap, entries);
    // A stack of what is not in use: entry number i of it is free for i >= frames.
    free = Arrays.copyOf(free, entries);
    for (int entry = before; entry < entries; entry++) {
      free[entry] = entry;
    }
  }

  boolean isEmpty() {
    return frames == 0;
  }

  int frames() {
    return frames;
  }

  long bytes() {
    return bytes;
  }

  /** Whether a frame of {@code bytes} fits; entries have been {@linkplain #reserve reserved}. */
  boolean fits(int bytes) {
    return frames < heap.length && blocksOf(bytes) <= freeBlocks;
  }

  /** Takes a copy of a frame, which {@linkplain #fits fits}. */
  void add(long dueNanos, long frameNumber, boolean isCopy, MemorySegment frame, long at, int len) {
    int entry = free[frames];
    due[entry] = dueNanos;
    order[entry] = arrivals++;
    number[entry] = frameNumber;
    copy[entry] = isCopy;
    length[entry] = len;
    firstBlock[entry] = store(frame, at, len);
    bytes += len;
    siftUp(frames++, entry);
  }

  // ---- the next one

  long due() {
    return due[heap[0]];
  }

  long number() {
    return number[heap[0]];
  }

  boolean isCopy() {
    return copy[heap[0]];
  }

  int length() {
    return length[heap[0]];
  }

  /** Puts its bytes there. */
  void load(MemorySegment into, long at) {
    int block = firstBlock[heap[0]];
    int left = length();
    long to = at;
    while (left > 0) {
      int part = Math.min(left, BLOCK_BYTES);
      MemorySegment.copy(blocks, (long) block * BLOCK_BYTES, into, to, part);
      to += part;
      left -= part;
      block = nextBlock[block];
    }
  }

  /** Forgets it. */
  void remove() {
    int entry = heap[0];
    bytes -= length[entry];
    giveBack(firstBlock[entry], blocksOf(length[entry]));
    frames--;
    free[frames] = entry;
    if (frames > 0) {
      siftDown(heap[frames]);
    }
  }

  // ---- blocks

  private static int blocksOf(int bytes) {
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
  }

  private int store(MemorySegment frame, long at, int len) {
    int first = freeBlock;
    int last = END;
    int left = len;
    long from = at;
    while (left > 0) {
      last = freeBlock;
      freeBlock = nextBlock[last];
      freeBlocks--;
      int part = Math.min(left, BLOCK_BYTES);
      MemorySegment.copy(frame, from, blocks, (long) last * BLOCK_BYTES, part);
      from += part;
      left -= part;
    }
    return first;
  }

  private void giveBack(int first, int count) {
    int last = first;
    for (int i = 1; i < count; i++) {
      last = nextBlock[last];
    }
    nextBlock[last] = freeBlock;
    freeBlock = first;
    freeBlocks += count;
  }

  // ---- the heap: each entry is before its children, which are at 2i + 1 and 2i + 2

  private boolean isBefore(int one, int other) {
    return due[one] != due[other] ? due[one] < due[other] : order[one] < order[other];
  }

  private void siftUp(int from, int entry) {
    int at = from;
    while (at > 0) {
      int parent = (at - 1) / 2;
      if (!isBefore(entry, heap[parent])) {
        break;
      }
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  private void siftDown(int entry) {
    int at = 0;
    while (2 * at + 1 < frames) {
      int child = 2 * at + 1;
      if (child + 1 < frames && isBefore(heap[child + 1], heap[child])) {
        child++;
      }
      if (!isBefore(heap[child], entry)) {
        break;
      }
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = entry;
  }

  /** One bit of {@code memory} becomes what it was not. */
  static void flip(MemorySegment memory, long at, long bit) {
    long octet = at + bit / Byte.SIZE;
    byte before = memory.get(ValueLayout.JAVA_BYTE, octet);
    memory.set(ValueLayout.JAVA_BYTE, octet, (byte) (before ^ 1 << bit % Byte.SIZE));
  }
}
