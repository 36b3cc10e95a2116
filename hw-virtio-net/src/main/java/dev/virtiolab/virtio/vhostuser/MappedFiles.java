package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.posix.BadDescriptorException;
import dev.virtiolab.posix.ForeignMemory;
import dev.virtiolab.posix.OwnedFd;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * The files of a front-end's memory, each mapped once however many regions lie in it, and unmapped
 * with the last of them.
 *
 * <p>One thread uses it, the session's. A file is unmapped while the device holds still.
 */
final class MappedFiles {
  private final boolean allowUnsealed;
  private final Map<ForeignMemory.Identity, Lease> leases = new HashMap<>();

  /**
   * @param allowUnsealed whether to take what its owner could shrink, and thereby end this process
   */
  MappedFiles(boolean allowUnsealed) {
    this.allowUnsealed = allowUnsealed;
  }

  /** A file's map, while somebody holds it. */
  final class Lease {
    private final ForeignMemory memory;
    private int holders;

    private Lease(ForeignMemory memory) {
      this.memory = memory;
    }

    MemorySegment segment() {
      return memory.segment();
    }

    /** Gives back what {@link #hold} gave; with the last one the file is unmapped. */
    void release() {
      if (--holders == 0) {
        leases.remove(memory.identity());
        memory.close();
      }
    }
  }

  /**
   * Maps the file, or finds its map.
   *
   * @param fd stays the caller's, who may close it at once
   * @throws RefusedException if it is no memory, or not to be trusted
   */
  Lease hold(OwnedFd fd) throws RefusedException {
    try {
      Lease lease = leases.get(ForeignMemory.identify(fd));
      if (lease == null) {
        ForeignMemory memory = ForeignMemory.map(fd, allowUnsealed);
        // Under what it is now: the file may have grown since it was asked.
        lease = leases.computeIfAbsent(memory.identity(), _ -> new Lease(memory));
        if (lease.memory != memory) {
          memory.close();
        }
      }
      lease.holders++;
      return lease;
    } catch (BadDescriptorException e) {
      throw new RefusedException(e.getMessage(), e);
    }
  }

  /** Files that are mapped. */
  int count() {
    return leases.size();
  }
}
