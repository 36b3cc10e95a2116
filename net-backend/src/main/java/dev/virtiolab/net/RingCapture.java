package dev.virtiolab.net;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Any back end, with what crossed last kept in memory: a capture that costs no file until somebody
 * wants one. Outbound is what the NIC sends, stamped when it is committed; inbound what the NIC
 * takes, stamped when it is released.
 *
 * <p>The oldest frames make way for new ones. The device's thread writes; {@link #save} and the
 * counters are anybody's, also after the back end was closed. Nothing is allocated per frame.
 *
 * <pre>
 *        oldest                    next
 *           v                       v
 *   ... | nanos length way | frame | (free) ...     each record from a multiple of 16 on,
 *                                                   the whole modulo the capacity
 * </pre>
 */
public final class RingCapture extends WatchedBackend {
  /** The smallest capacity, in bytes: room for a full frame. */
  public static final int LEAST_CAPACITY = 4096;

  private static final int NANOS = 0;
  private static final int LENGTH = 8;
  private static final int WAY = 12;
  private static final int HEADER_BYTES = 16;

  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

  private final int capacity;
  private final Object lock = new Object();

  // Under the lock; positions run free.
  private final MemorySegment ring;
  private long oldest;
  private long next;
  private long frames;
  private long captured;

  /**
   * Keeps what crosses {@code inner}, which is closed with this back end.
   *
   * @param capacity bytes of memory, from {@link #LEAST_CAPACITY} on; rounded down to whole records
   */
  public RingCapture(NetBackend inner, int capacity) {
    super(inner);
    if (capacity < LEAST_CAPACITY) {
      throw new IllegalArgumentException(
          "a capture has " + LEAST_CAPACITY + " bytes at least, not " + capacity);
    }
    this.capacity = capacity / HEADER_BYTES * HEADER_BYTES;
    ring = MemorySegment.ofArray(new byte[this.capacity]);
  }

  /** Frames that crossed so far; any thread. */
  public long captured() {
    synchronized (lock) {
      return captured;
    }
  }

  /** Of them, those that {@link #save} would write; any thread. */
  public long kept() {
    synchronized (lock) {
      return frames;
    }
  }

  /**
   * Writes what is kept to a pcapng file.
   *
   * @param file is made, or overwritten; its folder is there
   * @param interfaceName as a reader of the file shows it
   * @param comment of the whole file, in any number of lines; empty for none
   * @return frames that crossed before those in the file
   * @throws IOException where it cannot be written
   */
  public long save(Path file, String interfaceName, String comment) throws IOException {
    MemorySegment copy;
    long at;
    long end;
    long missing;
    synchronized (lock) {
      copy = MemorySegment.ofArray(ring.toArray(ValueLayout.JAVA_BYTE));
      at = oldest;
      end = next;
      missing = captured - frames;
    }
    FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE);
    PcapngWriter writer = new PcapngWriter(channel, interfaceName, comment);
    try {
      MemorySegment frame = MemorySegment.ofArray(new byte[capacity]);
      while (at < end) {
        long header = at % capacity;
        int length = copy.get(INT, header + LENGTH);
        copyOut(copy, at + HEADER_BYTES, frame, length);
        if (!writer.hasRoom(length)) {
          writer.flush();
        }
        long nanos = copy.get(LONG, header + NANOS);
        writer.packet(frame, 0, length, copy.get(INT, header + WAY), nanos);
        at += recordBytes(length);
      }
      writer.flush();
    } finally {
      writer.close();
    }
    return missing;
  }

  // ---- what crosses

  @Override
  void crosses(MemorySegment memory, long offset, int length, int way) {
    long nanos = System.nanoTime();
    int bytes = recordBytes(length);
    synchronized (lock) {
      captured++;
      if (bytes > capacity) {
        return;
      }
      while (next + bytes - oldest > capacity) {
        oldest += recordBytes(ring.get(INT, oldest % capacity + LENGTH));
        frames--;
      }
      // A record begins at a multiple of 16, and so does the ring's end: a header is in one piece.
      long header = next % capacity;
      ring.set(LONG, header + NANOS, nanos);
      ring.set(INT, header + LENGTH, length);
      ring.set(INT, header + WAY, way);
      copyIn(memory, offset, next + HEADER_BYTES, length);
      next += bytes;
      frames++;
    }
  }

  private void copyIn(MemorySegment memory, long offset, long position, int length) {
    long at = position % capacity;
    long first = Math.min(length, capacity - at);
    MemorySegment.copy(memory, offset, ring, at, first);
    MemorySegment.copy(memory, offset + first, ring, 0, length - first);
  }

  private void copyOut(MemorySegment copy, long position, MemorySegment frame, int length) {
    long at = position % capacity;
    long first = Math.min(length, capacity - at);
    MemorySegment.copy(copy, at, frame, 0, first);
    MemorySegment.copy(copy, 0, frame, first, length - first);
  }

  private static int recordBytes(int length) {
    return (HEADER_BYTES + length + HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES;
  }
}
