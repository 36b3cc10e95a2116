package dev.virtiolab.pci.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A range of bus addresses resolved to plain memory: what {@link BusMemory#resolve} fills in, made
 * once and used again and again.
 *
 * <p>Bus address {@code a} of the window lies at {@code segment().get(..., offset(a))}. The window
 * holds until its {@link MappingGeneration} moves.
 *
 * <p>Memory may also be out of reach but by messages. Its windows hold for one access only, and are
 * copies: what is read was fetched by {@link BusMemory#resolve}, and what is stored has to be told
 * by {@link #stored} before the next store.
 */
public final class DmaWindow {
  /** Bytes that {@link #staging} holds: a page of any mapping. */
  public static final int STAGING_BYTES = 4096;

  /** Carries what was stored into a window to memory that cannot be mapped. */
  @FunctionalInterface
  public interface Carrier {
    /**
     * Carries {@code bytes} bytes; called by who stored them, and does not wait for their arrival.
     * What is carried first arrives first.
     */
    void carry(long address, MemorySegment from, long offset, long bytes);
  }

  private MemorySegment segment = MemorySegment.NULL;
  private long base;
  private long limit;
  // What to subtract from a bus address to get an offset in the segment.
  private long shift;
  private long generation;
  private DmaFault fault = DmaFault.NONE;
  private Carrier carrier;
  private MemorySegment staging;

  /** An empty window. */
  public DmaWindow() {}

  /** The window's memory, at {@link #offset}; the segment may hold more than the window. */
  public MemorySegment segment() {
    return segment;
  }

  /** First bus address of the window. */
  public long base() {
    return base;
  }

  /** Bytes in the window. */
  public long length() {
    return limit - base;
  }

  /** Why the last resolution failed; {@link DmaFault#NONE} if it did not. */
  public DmaFault fault() {
    return fault;
  }

  /** Offset of {@code address} in {@link #segment()}; meaningful only inside the window. */
  public long offset(long address) {
    return address - shift;
  }

  /** Bytes from {@code address} to the end of the window. */
  public long remaining(long address) {
    return limit - address;
  }

  /**
   * Whether the whole of {@code [address, address + length)} is in the window and the window still
   * holds. {@code length} is not negative; a range that wraps is never covered.
   */
  public boolean covers(long address, long length, long presentGeneration) {
    // address - base first: neither side can overflow for a window that lies below 2^63.
    long offset = address - base;
    return generation == presentGeneration
        && offset >= 0
        && offset <= limit - base
        && length <= limit - base - offset;
  }

  /** Fills the window: for implementations of {@link BusMemory}. */
  public boolean resolved(MemorySegment memory, long firstAddress, long atGeneration) {
    return resolved(memory, 0, firstAddress, memory.byteSize(), atGeneration);
  }

  /**
   * Fills the window with {@code length} bytes at {@code offset} of {@code memory}, for
   * implementations of {@link BusMemory} that would otherwise slice for every resolution.
   *
   * @throws IndexOutOfBoundsException if they are not all in {@code memory}: the platform's bug
   */
  public boolean resolved(
      MemorySegment memory, long offset, long firstAddress, long length, long atGeneration) {
    Objects.checkFromIndexSize(offset, length, memory.byteSize());
    segment = memory;
    base = firstAddress;
    limit = firstAddress + length;
    shift = firstAddress - offset;
    generation = atGeneration;
    fault = DmaFault.NONE;
    carrier = null;
    return true;
  }

  /** Where a copy of memory that cannot be mapped is put: {@value #STAGING_BYTES} bytes. */
  public MemorySegment staging() {
    if (staging == null) {
      staging = Arena.ofAuto().allocate(STAGING_BYTES, Long.BYTES);
    }
    return staging;
  }

  /**
   * Fills the window, for one access, with {@code length} bytes at the start of {@link #staging}:
   * for implementations of {@link BusMemory} whose memory cannot be mapped.
   *
   * @param with what is told of what is {@linkplain #stored stored}
   */
  public boolean staged(long firstAddress, int length, Carrier with) {
    // No generation is 0: the window covers nothing, so that the next access resolves anew.
    resolved(staging(), 0, firstAddress, length, 0);
    carrier = with;
    return true;
  }

  /**
   * What was stored at {@code address} is complete: for memory that is reached by messages it goes
   * there now. Any other has it already.
   */
  public void stored(long address, long bytes) {
    if (carrier != null) {
      carrier.carry(address, segment, offset(address), bytes);
    }
  }

  /** Empties the window and notes why: for implementations of {@link BusMemory}. */
  public boolean faulted(DmaFault why) {
    clear();
    fault = why;
    return false;
  }

  /** Forgets what was resolved. */
  public void clear() {
    segment = MemorySegment.NULL;
    base = 0;
    limit = 0;
    shift = 0;
    generation = 0;
    fault = DmaFault.NONE;
    carrier = null;
  }
}
