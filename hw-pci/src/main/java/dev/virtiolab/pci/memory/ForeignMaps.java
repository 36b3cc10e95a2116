package dev.virtiolab.pci.memory;

import dev.virtiolab.posix.BadDescriptorException;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.ForeignMemory;
import dev.virtiolab.posix.OwnedFd;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The files of one peer that are mapped: each once, however many descriptors of it come.
 *
 * <p>A file that nobody uses any more stays mapped for a while, since a guest with an IOMMU takes
 * its last mapping away and makes another all the time; but few such files do, and the oldest goes
 * first.
 *
 * <p>One thread uses it. What closes a file, {@link #release} and {@link #close}, is called while
 * no bus master can be in the midst of an access, after the {@link MappingGeneration} has advanced.
 */
public final class ForeignMaps implements AutoCloseable {
  /** Files at most; a hypervisor has one for each module of memory. */
  private static final int MAX_FILES = 256;

  private static final int MAX_IDLE = 4;

  private final boolean allowUnsealed;

  /** By identity; the one that was used last comes last. */
  private final Map<ForeignMemory.Identity, Held> held = new LinkedHashMap<>();

  private static final class Held {
    final ForeignMemory memory;
    int users;

    Held(ForeignMemory memory) {
      this.memory = memory;
    }
  }

  /**
   * @param allowUnsealed whether to take files that their owner could shrink: see {@link
   *     ForeignMemory#map}
   */
  public ForeignMaps(boolean allowUnsealed) {
    this.allowUnsealed = allowUnsealed;
  }

  /**
   * Maps the file, or finds it mapped; to be {@linkplain #release released} once for each time.
   *
   * @param fd stays the caller's
   * @throws BadDescriptorException as {@link ForeignMemory#map} does; ENOMEM if there are too many
   */
  public ForeignMemory acquire(OwnedFd fd) throws BadDescriptorException {
    ForeignMemory.Identity identity = ForeignMemory.identify(fd);
    Held found = held.remove(identity);
    if (found == null) {
      if (held.size() >= MAX_FILES) {
        throw new BadDescriptorException(Errno.ENOMEM, "more than " + MAX_FILES + " files");
      }
      found = new Held(ForeignMemory.map(fd, allowUnsealed));
    }
    found.users++;
    held.put(found.memory.identity(), found);
    return found.memory;
  }

  /** One user less. */
  public void release(ForeignMemory memory) {
    Held found = held.get(memory.identity());
    if (found == null || found.users == 0) {
      throw new IllegalStateException("released more often than acquired");
    }
    found.users--;
    if (found.users == 0) {
      closeOldestIdle();
    }
  }

  private void closeOldestIdle() {
    List<Held> idle = new ArrayList<>(held.values());
    idle.removeIf(each -> each.users > 0);
    for (int i = 0; i < idle.size() - MAX_IDLE; i++) {
      ForeignMemory memory = idle.get(i).memory;
      held.remove(memory.identity());
      memory.close();
    }
  }

  /** Files mapped now. */
  public int files() {
    return held.size();
  }

  /** Unmaps every file; what is acquired later is mapped anew. */
  @Override
  public void close() {
    held.values().forEach(each -> each.memory.close());
    held.clear();
  }
}
