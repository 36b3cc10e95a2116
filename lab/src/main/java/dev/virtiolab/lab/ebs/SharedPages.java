package dev.virtiolab.lab.ebs;

import dev.virtiolab.iommu.Platform;
import dev.virtiolab.lab.trace.MachineObserver;
import dev.virtiolab.pci.memory.RawDram;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Which pages are shared, which were, and what an outsider read in them while they were: for
 * platforms that encrypt.
 */
final class SharedPages implements MachineObserver {
  private static final int PAGE_SHIFT = Ledger.PAGE_SHIFT;
  private static final int PAGE_BYTES = 1 << PAGE_SHIFT;
  private static final int BLOCK_BYTES = 16;

  private final Set<Long> shared = new TreeSet<>();

  /** By page: what was in DRAM when it became private. */
  private final Map<Long, byte[]> lastShared = new TreeMap<>();

  private final Set<Long> slots = new HashSet<>();
  private Platform platform;
  private long version;

  void watch(Platform board) {
    platform = board;
  }

  @Override
  public void flipped(long address, long pages, boolean nowShared) {
    version++;
    for (long page = address >>> PAGE_SHIFT; page < (address >>> PAGE_SHIFT) + pages; page++) {
      if (nowShared) {
        shared.add(page);
      } else {
        shared.remove(page);
        lastShared.put(page, raw(page)); // a flip keeps the bytes
      }
    }
  }

  private byte[] raw(long page) {
    byte[] bytes = new byte[PAGE_BYTES];
    RawDram dram = platform.dram();
    dram.read(dram.systemPhysical(page << PAGE_SHIFT), MemorySegment.ofArray(bytes), 0, PAGE_BYTES);
    return bytes;
  }

  /** What is shared now are the IOMMU driver's reserved slots: nobody has mapped anything yet. */
  void declareSlots() {
    slots.addAll(shared);
  }

  /** Moves with every flip. */
  long version() {
    return version;
  }

  /** The first shared page that no mapping and no slot declares, or -1. */
  long firstUndeclared(Ledger ledger) {
    for (long page : shared) {
      if (!slots.contains(page) && !ledger.isDeclared(page)) {
        return page;
      }
    }
    return -1;
  }

  /** The first page, of those that are or were shared, whose plaintext an outsider reads, or -1. */
  long firstInPlaintext() {
    for (long page : shared) {
      if (!slots.contains(page) && showsAny(raw(page))) {
        return page;
      }
    }
    for (Map.Entry<Long, byte[]> was : lastShared.entrySet()) {
      long page = was.getKey();
      if (!slots.contains(page)
          && !shared.contains(page)
          && showsStill(raw(page), was.getValue())) {
        return page;
      }
    }
    return -1;
  }

  private static boolean showsAny(byte[] bytes) {
    for (byte b : bytes) {
      if (b != 0) {
        return true;
      }
    }
    return false;
  }

  /** Whether a block that is not zero reads as it did. */
  private static boolean showsStill(byte[] now, byte[] then) {
    for (int at = 0; at < PAGE_BYTES; at += BLOCK_BYTES) {
      byte[] block = Arrays.copyOfRange(now, at, at + BLOCK_BYTES);
      if (showsAny(block) && Arrays.equals(block, 0, BLOCK_BYTES, then, at, at + BLOCK_BYTES)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Whether what was told agrees with the guest's page attributes, page by page of all RAM.
   *
   * @throws JudgeException if it does not: the lab's own bug
   */
  void check() {
    platform
        .pageAttributes()
        .ifPresent(
            attributes ->
                platform
                    .memory()
                    .regions()
                    .forEach(
                        region -> {
                          long first = region.base() >>> PAGE_SHIFT;
                          long end = first + (region.segment().byteSize() >>> PAGE_SHIFT);
                          for (long page = first; page < end; page++) {
                            if (attributes.isShared(page << PAGE_SHIFT) != shared.contains(page)) {
                              throw new JudgeException("flip not seen: page=0x%x".formatted(page));
                            }
                          }
                        }));
  }
}
