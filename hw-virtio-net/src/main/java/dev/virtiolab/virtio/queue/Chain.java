package dev.virtiolab.virtio.queue;

/**
 * One descriptor chain: a private, checked copy of what the driver offered. Device-readable parts
 * come first, then device-writable ones (virtio v1.4 cs01, 2.7.4 "Message Framing").
 *
 * <p>Made once and filled again and again by {@link SplitQueue#next}; used by one thread.
 */
public final class Chain {
  /**
   * The longest chain that is accepted, in bytes. The specification forbids more than 2^32
   * (2.7.5.1) and lets devices have large but reasonable limits below (2.7.4); this one lets every
   * length be an {@code int}.
   */
  public static final int MAX_BYTES = Integer.MAX_VALUE;

  private final long[] addresses;
  private final int[] lengths;
  private int count;
  private int readableCount;
  private int readableBytes;
  private int writableBytes;
  private int head;
  private int index;
  private long owner;

  /**
   * An empty chain.
   *
   * @param capacity parts it can hold: at least the size of the queue that it is used with
   */
  public Chain(int capacity) {
    addresses = new long[capacity];
    lengths = new int[capacity];
  }

  /** Parts that this chain can hold. */
  public int capacity() {
    return addresses.length;
  }

  /** Index of the chain's first descriptor: the {@code id} of its used element. */
  public int head() {
    return head;
  }

  /** Parts, readable and writable. */
  public int parts() {
    return count;
  }

  /** Parts that the device may read: parts {@code 0 .. readableParts() - 1}. */
  public int readableParts() {
    return readableCount;
  }

  /** Parts that the device may write: parts {@code readableParts() .. parts() - 1}. */
  public int writableParts() {
    return count - readableCount;
  }

  /** Bytes in all readable parts. */
  public int readableBytes() {
    return readableBytes;
  }

  /** Bytes in all writable parts. */
  public int writableBytes() {
    return writableBytes;
  }

  /** Bus address of a part. */
  public long address(int part) {
    return addresses[part];
  }

  /** Bytes in a part, at least 1. */
  public int length(int part) {
    return lengths[part];
  }

  /** Begins to be filled. */
  void begin(int headIndex) {
    head = headIndex;
    count = 0;
    readableCount = 0;
    readableBytes = 0;
    writableBytes = 0;
    owner = 0;
  }

  /** Adds a part; the queue has checked order, length and total. */
  void add(long address, int length, boolean writable) {
    addresses[count] = address;
    lengths[count] = length;
    count++;
    if (writable) {
      writableBytes += length;
    } else {
      readableBytes += length;
      readableCount = count;
    }
  }

  int totalBytes() {
    return readableBytes + writableBytes;
  }

  /** Marks the chain as taken from the available index {@code atIndex} in a run of a queue. */
  void taken(int atIndex, long byRun) {
    index = atIndex;
    owner = byRun;
  }

  /** The available index that the chain was taken from. */
  int index() {
    return index;
  }

  /** The run of the queue that the chain was taken in; 0 if it is not taken. */
  long owner() {
    return owner;
  }

  void done() {
    owner = 0;
  }
}
