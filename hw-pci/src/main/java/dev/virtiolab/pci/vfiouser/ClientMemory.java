package dev.virtiolab.pci.vfiouser;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.ForeignMaps;
import dev.virtiolab.pci.memory.MappingGeneration;
import dev.virtiolab.posix.BadDescriptorException;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.ForeignMemory;
import dev.virtiolab.posix.OwnedFd;
import java.util.Arrays;

/**
 * Memory as the function sees it that a client has: the client's DMA mappings, and nothing else.
 * Addresses are what the client says they are; behind a guest's IOMMU they come and go. What came
 * with a descriptor is mapped, what came without one is reached by {@link DmaMessages}.
 *
 * <p>Any thread resolves. Who maps and unmaps is the server's thread; it unmaps with the function's
 * lock held, so that no batch of frames is in the midst of what goes away.
 */
public final class ClientMemory implements BusMemory {
  /** The most mappings at a time: the protocol's default for max_dma_maps. */
  static final int MAX_MAPPINGS = 65_535;

  private static final long PAGE_MASK = 4095;
  private static final int FIRST_CAPACITY = 16;

  private final MappingGeneration generation = new MappingGeneration();
  private final DmaMessages messages = new DmaMessages();
  private final ForeignMaps files;

  /**
   * A mapping.
   *
   * @param offset of its first byte in the file
   * @param file null where the client gave no descriptor
   */
  private record Mapping(long address, long bytes, int flags, ForeignMemory file, long offset) {
    /** One past its last address. */
    long end() {
      return address + bytes;
    }
  }

  /** Ascending by address, without overlap; those from {@link #count} on are null. */
  private Mapping[] mappings = new Mapping[FIRST_CAPACITY];

  private int count;

  /** This client has been told of, who gave no descriptor. */
  private boolean saidNotShared;

  /**
   * No memory at all, until a client comes.
   *
   * @param allowUnsealed whether to take memory that its owner could shrink, and so end this
   *     process
   */
  public ClientMemory(boolean allowUnsealed) {
    files = new ForeignMaps(allowUnsealed);
  }

  @Override
  public MappingGeneration generation() {
    return generation;
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    int within;
    synchronized (this) {
      boolean resolved = resolveMapped(address, access, window);
      if (resolved || window.fault() != DmaFault.NO_MEMORY) {
        return resolved;
      }
      // The rest of a page, all of which is in the mapping.
      within = (int) (PAGE_MASK + 1 - (address & PAGE_MASK));
      sayThatItIsNotShared(address);
    }
    // Not with the monitor held: the answer may have to wait until the client has mapped something.
    return access == DmaAccess.READ
        ? messages.read(address, within, window)
        : messages.lend(address, within, window);
  }

  /** Resolves by mapped files alone; NO_MEMORY where the mapping has none. */
  private boolean resolveMapped(long address, DmaAccess access, DmaWindow window) {
    long at = generation.acquire();
    Mapping found = at(address);
    if (found == null) {
      return window.faulted(DmaFault.NOT_MAPPED);
    }
    int needed =
        access == DmaAccess.READ ? VfioUserLayout.MAP_READABLE : VfioUserLayout.MAP_WRITEABLE;
    if ((found.flags & needed) == 0) {
      return window.faulted(DmaFault.NOT_PERMITTED);
    }
    if (found.file == null) {
      return window.faulted(DmaFault.NO_MEMORY);
    }
    return window.resolved(found.file.segment(), found.offset, found.address, found.bytes, at);
  }

  /** ROMs come so as well, but no driver has its rings and buffers there. */
  private void sayThatItIsNotShared(long address) {
    if (!saidNotShared) {
      saidNotShared = true;
      VfioUserServer.LOG.log(
          System.Logger.Level.WARNING,
          "vfio-user: the memory at 0x{0} came without a descriptor: each access is a message there"
              + " and back, which is slow; is the guest''s RAM shared (share=on)?",
          Long.toHexString(address));
    }
  }

  private Mapping at(long address) {
    int index = firstAbove(address) - 1;
    return index >= 0 && address - mappings[index].address < mappings[index].bytes
        ? mappings[index]
        : null;
  }

  /** Index of the first mapping above {@code address}. Addresses of mappings are not negative. */
  private int firstAbove(long address) {
    if (address < 0) {
      return 0; // beyond 2^63, where nothing is mapped
    }
    int low = 0;
    int high = count;
    while (low < high) {
      int middle = low + high >>> 1;
      if (mappings[middle].address > address) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  /** How memory is reached that came without a descriptor. */
  DmaMessages messages() {
    return messages;
  }

  /** Mappings there are now; any thread. */
  public synchronized int mappings() {
    return count;
  }

  /** Files that are mapped into this process now; any thread. */
  public synchronized int files() {
    return files.files();
  }

  /**
   * Adds a mapping. Nobody need look anew on that account: what did not resolve was not kept.
   *
   * @param fd null where the client gave none; stays the caller's
   * @param offset in the file
   * @throws Refusal EEXIST if it overlaps another; EINVAL if it is no whole number of pages below
   *     2^63, or the file does not hold it; ENOSPC if there are too many; or what is wrong with the
   *     descriptor
   */
  synchronized void map(long address, long bytes, int flags, OwnedFd fd, long offset)
      throws Refusal {
    if (address < 0
        || bytes <= 0
        || address > Long.MAX_VALUE - bytes
        || ((address | bytes) & PAGE_MASK) != 0) {
      throw Refusal.invalid("no pages below 2^63");
    }
    if ((flags & ~(VfioUserLayout.MAP_READABLE | VfioUserLayout.MAP_WRITEABLE)) != 0) {
      throw Refusal.invalid("unknown flags of a mapping");
    }
    int index = firstAbove(address);
    boolean overlaps =
        index > 0 && mappings[index - 1].end() > address
            || index < count && mappings[index].address - address < bytes;
    if (overlaps) {
      throw new Refusal(Errno.EEXIST, "a mapping over another");
    }
    if (count == MAX_MAPPINGS) {
      throw new Refusal(Errno.ENOSPC, "more than " + MAX_MAPPINGS + " mappings");
    }
    insert(index, new Mapping(address, bytes, flags, open(fd, offset, bytes), offset));
  }

  private ForeignMemory open(OwnedFd fd, long offset, long bytes) throws Refusal {
    if (fd == null) {
      return null;
    }
    try {
      long size = ForeignMemory.identify(fd).bytes();
      if (offset < 0 || (offset & PAGE_MASK) != 0 || bytes > size || offset > size - bytes) {
        throw Refusal.invalid("the file does not hold the mapping");
      }
      return files.acquire(fd);
    } catch (BadDescriptorException e) {
      throw new Refusal(e.errno(), e.getMessage());
    }
  }

  private void insert(int index, Mapping mapping) {
    if (count == mappings.length) {
      mappings = Arrays.copyOf(mappings, 2 * count);
    }
    System.arraycopy(mappings, index, mappings, index + 1, count - index);
    mappings[index] = mapping;
    count++;
  }

  /**
   * Takes away what is mapped in a range; with the function's lock held. The range may hold several
   * mappings, or none: the protocol's text asks for exactly one, but QEMU behind an IOMMU unmaps
   * ranges, as Linux' VFIO has it.
   *
   * @param address unsigned
   * @param bytes unsigned
   * @throws Refusal EINVAL if the range is none, or has a part of a mapping only
   */
  synchronized void unmap(long address, long bytes) throws Refusal {
    long last = address + bytes - 1;
    if (bytes == 0 || Long.compareUnsigned(last, address) < 0) {
      throw Refusal.invalid("no range");
    }
    if (address < 0) {
      return; // all of it beyond 2^63, where nothing is mapped
    }
    if (last < 0) {
      last = Long.MAX_VALUE; // QEMU unmaps up to 2^64, past the window of messages
    }
    int first = address == 0 ? 0 : firstAbove(address - 1);
    int end = firstAbove(last);
    boolean cuts =
        first > 0 && mappings[first - 1].end() > address
            || end > first && mappings[end - 1].end() - 1 > last;
    if (cuts) {
      throw Refusal.invalid("a part of a mapping");
    }
    if (first == end) {
      return;
    }
    Mapping[] gone = Arrays.copyOfRange(mappings, first, end);
    System.arraycopy(mappings, end, mappings, first, count - end);
    Arrays.fill(mappings, count - gone.length, count, null);
    count -= gone.length;
    // Before a file may go: windows that were resolved are not used any more.
    generation.advance();
    for (Mapping each : gone) {
      if (each.file != null) {
        files.release(each.file);
      }
    }
  }

  /** Takes every mapping away; with the function's lock held. */
  synchronized void unmapAll() {
    mappings = new Mapping[FIRST_CAPACITY];
    count = 0;
    saidNotShared = false;
    generation.advance();
    files.close();
  }
}
