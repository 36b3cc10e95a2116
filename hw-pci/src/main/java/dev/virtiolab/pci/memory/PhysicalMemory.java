package dev.virtiolab.pci.memory;

import dev.virtiolab.posix.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.LongStream;

/**
 * Guest-physical memory: RAM regions below and above 4 GiB.
 *
 * <pre>
 *  0            low RAM            {@link #LOW_LIMIT}   registers     {@link #HIGH_BASE}   high RAM
 *  |------------------------·······|-------------------------|------------------···
 * </pre>
 *
 * <p>Owns the bytes: after {@link #close()} every segment that was handed out is dead, and touching
 * one throws. Whoever closes stops the threads that use them first.
 */
public final class PhysicalMemory implements AutoCloseable {
  /** Regions are aligned to this, in address and size. */
  public static final long PAGE_BYTES = 4096;

  /**
   * Low RAM ends here at the latest, below 3 GiB: the 256 MiB before 0xC000_0000 are where the
   * board's enhanced configuration space lives.
   */
  public static final long LOW_LIMIT = 0xb000_0000L;

  /** High RAM begins here: 4 GiB. */
  public static final long HIGH_BASE = 0x1_0000_0000L;

  /** No RAM at or above this address: 2^46, 64 TiB. */
  public static final long ADDRESS_LIMIT = 1L << 46;

  private final MappingGeneration generation = new MappingGeneration();
  private final List<RamRegion> regions;
  private final RamRegion[] ascending;
  private final BusMemory busView = new IdentityView();
  // Null where the segments belong to somebody else.
  private final Arena arena;
  private final MemFd memFd;

  private PhysicalMemory(List<RamRegion> sorted, Arena arena, MemFd memFd) {
    this.regions = List.copyOf(sorted);
    this.ascending = regions.toArray(new RamRegion[0]);
    this.arena = arena;
    this.memFd = memFd;
  }

  /**
   * RAM of {@code bytes} at address 0, and none above 4 GiB.
   *
   * @throws InvalidMemoryException as {@link #allocate(long, long)} does
   */
  public static PhysicalMemory allocate(long bytes) {
    return allocate(bytes, 0);
  }

  /**
   * Fresh, zeroed RAM: {@code lowBytes} at address 0, {@code highBytes} at {@link #HIGH_BASE}. Both
   * lie one after the other in one sealed memfd, which another process may map; pages take memory
   * when they are first touched.
   *
   * @param lowBytes a multiple of 4 KiB from 4 KiB to {@link #LOW_LIMIT}
   * @param highBytes a multiple of 4 KiB, or 0
   * @throws InvalidMemoryException if a size is impossible
   * @throws dev.virtiolab.posix.PosixException if the kernel refuses
   */
  public static PhysicalMemory allocate(long lowBytes, long highBytes) {
    if (lowBytes < PAGE_BYTES || lowBytes > LOW_LIMIT || lowBytes % PAGE_BYTES != 0) {
      throw new InvalidMemoryException(
          0, lowBytes, "low RAM is a multiple of 4 KiB from 4 KiB to 2816 MiB");
    }
    if (highBytes < 0 || highBytes > ADDRESS_LIMIT - HIGH_BASE || highBytes % PAGE_BYTES != 0) {
      throw new InvalidMemoryException(
          HIGH_BASE, highBytes, "high RAM is a multiple of 4 KiB below 64 TiB, or 0");
    }
    return highBytes == 0
        ? map("virtiolab-ram", new long[] {0}, new long[] {lowBytes})
        : map("virtiolab-ram", new long[] {0, HIGH_BASE}, new long[] {lowBytes, highBytes});
  }

  /** Regions of {@code bytes[i]} at {@code bases[i]}, ascending, in one fresh sealed memfd. */
  private static PhysicalMemory map(String name, long[] bases, long[] bytes) {
    MemFd memFd = MemFd.create(name, LongStream.of(bytes).sum());
    Arena arena = Arena.ofShared();
    try {
      MemorySegment all = memFd.map(arena);
      List<RamRegion> sorted = new ArrayList<>();
      long offset = 0;
      for (int i = 0; i < bases.length; i++) {
        sorted.add(new RamRegion(bases[i], all.asSlice(offset, bytes[i])));
        offset += bytes[i];
      }
      return new PhysicalMemory(sorted, arena, memFd);
    } catch (RuntimeException e) {
      arena.close();
      memFd.close();
      throw e;
    }
  }

  /**
   * RAM over segments that the caller owns, wherever a hypervisor put them; {@link #close()} leaves
   * them alone. The address rules of {@link #allocate(long, long)} do not apply: only that regions
   * do not overlap and end below {@link #ADDRESS_LIMIT}.
   *
   * @param regions at least one, in any order
   * @throws InvalidMemoryException if there is none, or two overlap, or one lies too high
   */
  public static PhysicalMemory of(List<RamRegion> regions) {
    if (regions.isEmpty()) {
      throw new InvalidMemoryException(0, 0, "memory needs at least one region");
    }
    List<RamRegion> sorted = new ArrayList<>(regions);
    sorted.sort(Comparator.comparingLong(RamRegion::base));
    long limit = 0;
    for (RamRegion region : sorted) {
      if (region.base() < limit) {
        throw new InvalidMemoryException(
            region.base(), region.segment().byteSize(), "regions overlap");
      }
      limit = region.limit();
    }
    return new PhysicalMemory(sorted, null, null);
  }

  /**
   * Fresh, zeroed memory with regions at the same addresses as this one's, such as a cache needs
   * that holds copies. It has nothing else to do with this memory, and is its caller's to close.
   *
   * @throws dev.virtiolab.posix.PosixException if the kernel refuses
   */
  public PhysicalMemory allocateAlike() {
    return map(
        "virtiolab-copy",
        regions.stream().mapToLong(RamRegion::base).toArray(),
        regions.stream().mapToLong(region -> region.segment().byteSize()).toArray());
  }

  /** The machine's one generation: whoever changes what a bus master can reach advances it. */
  public MappingGeneration generation() {
    return generation;
  }

  /** Every region, ascending. */
  public List<RamRegion> regions() {
    return regions;
  }

  /** The region that holds {@code address}, or null where there is no RAM. Allocates nothing. */
  public RamRegion regionAt(long address) {
    // One or two regions on our own board, a handful on a hypervisor's: no search pays off.
    for (RamRegion region : ascending) {
      if (region.contains(address)) {
        return region;
      }
    }
    return null;
  }

  /** Bytes of RAM in all regions. */
  public long bytes() {
    long sum = 0;
    for (RamRegion region : ascending) {
      sum += region.segment().byteSize();
    }
    return sum;
  }

  /** One past the highest address of RAM. */
  public long limit() {
    return ascending[ascending.length - 1].limit();
  }

  /**
   * All RAM by guest-physical address, untranslated and unchecked: what a device sees that is not
   * behind the platform's translation. A window is a whole region; the only fault is {@link
   * DmaFault#NO_MEMORY}.
   */
  public BusMemory busView() {
    return busView;
  }

  /**
   * The file that holds the regions, one after the other in ascending order; empty where the
   * segments were given. Closed by {@link #close()}.
   */
  public OptionalInt fileDescriptor() {
    return memFd == null ? OptionalInt.empty() : OptionalInt.of(memFd.fd());
  }

  /** Unmaps what was allocated here; a second call does nothing. */
  @Override
  public void close() {
    if (arena != null && arena.scope().isAlive()) {
      arena.close();
      memFd.close();
    }
  }

  private final class IdentityView implements BusMemory {
    @Override
    public MappingGeneration generation() {
      return generation;
    }

    @Override
    public boolean resolve(long address, DmaAccess access, DmaWindow window) {
      long at = generation.acquire();
      RamRegion region = regionAt(address);
      return region == null
          ? window.faulted(DmaFault.NO_MEMORY)
          : window.resolved(region.segment(), region.base(), at);
    }
  }
}
