package dev.virtiolab.pci.function;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * A function as a bus master: a platform's memory behind the Bus Master Enable of the function and
 * of the bridges above it.
 *
 * <p>Made by {@link PciFunction#busMaster}. When an enable changes, {@link #generation()} moves, so
 * that windows kept from before are resolved again and refused.
 *
 * <p>Any thread may use it, each with windows of its own. Nothing here takes the function's lock.
 */
public final class BusMaster implements BusMemory {
  private static final int KINDS = DmaFault.values().length;

  private final PciFunction function;
  private final BusMemory platform;
  private final AtomicLongArray faults = new AtomicLongArray(KINDS);
  private final AtomicBoolean retried = new AtomicBoolean();
  private volatile DmaFaultObserver observer = DmaFaultObserver.NONE;

  BusMaster(PciFunction function, BusMemory platform) {
    this.function = function;
    this.platform = platform;
  }

  @Override
  public MappingGeneration generation() {
    return platform.generation();
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    if (!function.busMasterEnabled()) {
      return refuse(address, access, window);
    }
    if (!platform.resolve(address, access, window)) {
      return notResolved(address, access, window.fault());
    }
    // Asked again: the window bears a generation taken since the first look, and an enable that was
    // cleared in between would never invalidate it. Cleared after this look, it does.
    if (!function.busMasterEnabled()) {
      return refuse(address, access, window);
    }
    return true;
  }

  /**
   * Copies {@code length} bytes at bus address {@code address} to {@code target}, window by window.
   *
   * @param window the caller's, used if it covers and left with the last range resolved; it must
   *     have been resolved for reading
   * @return {@link DmaFault#NONE} if all was copied; else why not, and what lies before the bad
   *     address was copied
   * @throws IndexOutOfBoundsException if {@code target} is too small: the caller's bug
   */
  public DmaFault read(
      long address, MemorySegment target, long targetOffset, long length, DmaWindow window) {
    return copy(DmaAccess.READ, address, target, targetOffset, length, window);
  }

  /**
   * Copies {@code length} bytes of {@code source} to bus address {@code address}, window by window.
   *
   * @param window the caller's, used if it covers and left with the last range resolved; it must
   *     have been resolved for writing
   * @return {@link DmaFault#NONE} if all was copied; else why not, and what lies before the bad
   *     address was copied
   * @throws IndexOutOfBoundsException if {@code source} is too small: the caller's bug
   */
  public DmaFault write(
      long address, MemorySegment source, long sourceOffset, long length, DmaWindow window) {
    return copy(DmaAccess.WRITE, address, source, sourceOffset, length, window);
  }

  private DmaFault copy(
      DmaAccess access,
      long address,
      MemorySegment local,
      long localOffset,
      long length,
      DmaWindow window) {
    if (localOffset < 0 || length < 0 || length > local.byteSize() - localOffset) {
      throw new IndexOutOfBoundsException(
          "offset=" + localOffset + " length=" + length + " bytes=" + local.byteSize());
    }
    long done = 0;
    while (done < length) {
      long at = address + done;
      // One byte decides whether the window serves; a window that resolved holds at least that, so
      // every turn copies something and the loop ends.
      if (!window.covers(at, 1, generation().acquire()) && !resolve(at, access, window)) {
        return window.fault();
      }
      long part = Math.min(length - done, window.remaining(at));
      if (access == DmaAccess.READ) {
        MemorySegment.copy(window.segment(), window.offset(at), local, localOffset + done, part);
      } else {
        MemorySegment.copy(local, localOffset + done, window.segment(), window.offset(at), part);
        window.stored(at, part);
      }
      done += part;
    }
    return DmaFault.NONE;
  }

  /** Tells {@code listener} of each access that is refused from now on. Any thread. */
  void observe(DmaFaultObserver listener) {
    observer = listener;
  }

  /** Accesses refused so far for reason {@code kind}, resolutions and copies alike. */
  public long faults(DmaFault kind) {
    return faults.get(kind.ordinal());
  }

  /** Accesses refused so far. */
  public long faults() {
    long sum = 0;
    for (int i = 0; i < KINDS; i++) {
      sum += faults.get(i);
    }
    return sum;
  }

  /**
   * Whether an access was answered with {@link DmaFault#RETRY} since this was asked before: what it
   * was for is to be tried again, and nobody else says when. Any thread.
   */
  public boolean takeRetried() {
    return retried.get() && retried.getAndSet(false);
  }

  private boolean notResolved(long address, DmaAccess access, DmaFault why) {
    if (why == DmaFault.RETRY) {
      retried.set(true); // put off, and not refused
      return false;
    }
    return count(address, access, why);
  }

  private boolean refuse(long address, DmaAccess access, DmaWindow window) {
    window.faulted(DmaFault.BUS_MASTER_DISABLED);
    return count(address, access, DmaFault.BUS_MASTER_DISABLED);
  }

  private boolean count(long address, DmaAccess access, DmaFault why) {
    faults.incrementAndGet(why.ordinal());
    observer.faulted(address, access, why);
    return false;
  }
}
