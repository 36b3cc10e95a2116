package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.lab.trace.MachineObserver;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Who has mapped what, who has taken it down, and what devices wrote to it. */
final class Ledger implements MachineObserver {
  static final int PAGE_SHIFT = 12;

  /** A mapping, from Map on. */
  static final class Entry {
    final int requesterId;
    final DmaOperation operation;
    final long hostAddress;
    final long deviceAddress;
    final long bytes;

    /** Who took it down; null while it is open. */
    String takenDownBy;

    /** What the device wrote, at its offset, and which of it; null until it has. */
    private byte[] written;

    private BitSet isWritten;

    Entry(
        int requesterId, DmaOperation operation, long hostAddress, long deviceAddress, long bytes) {
      this.requesterId = requesterId;
      this.operation = operation;
      this.hostAddress = hostAddress;
      this.deviceAddress = deviceAddress;
      this.bytes = bytes;
    }

    long firstPage() {
      return deviceAddress >>> PAGE_SHIFT;
    }

    long lastPage() {
      return deviceAddress + bytes - 1 >>> PAGE_SHIFT;
    }

    boolean hasPage(long page) {
      return page >= firstPage() && page <= lastPage();
    }

    boolean covers(long address, long length) {
      return address >= deviceAddress && address + length <= deviceAddress + bytes;
    }

    private void wrote(long address, byte[] data) {
      if (written == null) {
        written = new byte[(int) bytes];
        isWritten = new BitSet();
      }
      int offset = (int) (address - deviceAddress);
      System.arraycopy(data, 0, written, offset, data.length);
      isWritten.set(offset, offset + data.length);
    }

    private void forget(long address, int length) {
      if (written != null) {
        int offset = (int) (address - deviceAddress);
        isWritten.clear(offset, offset + length);
      }
    }

    /** Whether the device wrote to it. */
    boolean wasWritten() {
      return written != null;
    }

    /**
     * The first offset at which {@code seen} is not what the device wrote last.
     *
     * @return -1 if there is none
     */
    int firstLost(byte[] seen) {
      for (int at = isWritten.nextSetBit(0); at >= 0; at = isWritten.nextSetBit(at + 1)) {
        if (seen[at] != written[at]) {
          return at;
        }
      }
      return -1;
    }

    /** Such as {@code the BusMasterWrite of 0x7e8d000}. */
    @Override
    public String toString() {
      String kind =
          switch (operation) {
            case BUS_MASTER_READ, BUS_MASTER_READ64 -> "BusMasterRead";
            case BUS_MASTER_WRITE, BUS_MASTER_WRITE64 -> "BusMasterWrite";
            case BUS_MASTER_COMMON_BUFFER, BUS_MASTER_COMMON_BUFFER64 -> "CommonBuffer";
          };
      return "the %s of 0x%x".formatted(kind, hostAddress);
    }
  }

  private final Log log;

  /** Told of each mapping that was taken down. */
  private final Consumer<Entry> onDown;

  private final List<Entry> all = new ArrayList<>();
  private final List<Entry> open = new ArrayList<>();
  private final Map<DmaMapping, Entry> byToken = new IdentityHashMap<>();

  /** How many open mappings declare a page: by the page's number on the bus. */
  private final Map<Long, Integer> declared = new HashMap<>();

  private long version;

  Ledger(Log log, Consumer<Entry> onDown) {
    this.log = log;
    this.onDown = onDown;
  }

  // ---- what is told

  @Override
  public void mapped(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      long bytesMapped,
      long deviceAddress,
      DmaMapping mapping) {
    Entry entry = new Entry(requesterId, operation, hostAddress, deviceAddress, bytesMapped);
    all.add(entry);
    open.add(entry);
    byToken.put(mapping, entry);
    for (long page = entry.firstPage(); page <= entry.lastPage(); page++) {
      declared.merge(page, 1, Integer::sum);
    }
    version++;
    log.step(Step.Kind.MAP, () -> "maps " + entry);
  }

  @Override
  public void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {
    Entry entry = byToken.get(mapping);
    if (!status.isError()) {
      takenDown(entry);
    } else if (entry != null && entry.takenDownBy != null) {
      log.step(Step.Kind.UNMAP, () -> "unmaps " + entry + ": " + status);
      log.breach(
          Invariant.I9,
          () ->
              "%s unmaps %s, which %s had taken down already"
                  .formatted(log.actor(), entry, entry.takenDownBy));
    }
  }

  @Override
  public void tornDown(DmaMapping mapping) {
    takenDown(byToken.get(mapping));
  }

  private void takenDown(Entry entry) {
    if (entry == null) {
      log.step(Step.Kind.UNMAP, () -> "unmaps what was mapped around PciIo");
      return;
    }
    if (entry.takenDownBy != null) {
      throw new JudgeException("taken down, but not open: " + entry);
    }
    entry.takenDownBy = log.actor();
    open.remove(entry);
    for (long page = entry.firstPage(); page <= entry.lastPage(); page++) {
      declared.computeIfPresent(page, (p, count) -> count == 1 ? null : count - 1);
    }
    version++;
    log.step(Step.Kind.UNMAP, () -> "unmaps " + entry);
    onDown.accept(entry);
  }

  /**
   * A device wrote {@code data}. Within one open mapping of its own it is to be readable later; in
   * what was taken down, but shares the page with a mapping that is open, nobody waits for it.
   */
  void wrote(int requesterId, long address, byte[] data) {
    for (Entry entry : all) {
      if (entry.requesterId == requesterId && entry.covers(address, data.length)) {
        if (entry.takenDownBy == null) {
          entry.wrote(address, data);
        } else {
          entry.forget(address, data.length);
        }
      }
    }
  }

  // ---- what is asked

  /** Moves with every change. */
  long version() {
    return version;
  }

  /** Whether any open mapping declares the page. */
  boolean isDeclared(long page) {
    return declared.containsKey(page);
  }

  /** Whether an open mapping of this function has the page. */
  boolean isOpen(int requesterId, long page) {
    for (int i = 0; i < open.size(); i++) {
      Entry entry = open.get(i);
      if (entry.requesterId == requesterId && entry.hasPage(page)) {
        return true;
      }
    }
    return false;
  }

  /** The mapping of this function that last had the page, open or not; null if none ever had. */
  Entry lastAt(int requesterId, long page) {
    for (int i = all.size() - 1; i >= 0; i--) {
      Entry entry = all.get(i);
      if (entry.requesterId == requesterId && entry.hasPage(page)) {
        return entry;
      }
    }
    return null;
  }

  /** Those that are open, the oldest first. */
  List<Entry> open() {
    return open;
  }

  /** Every mapping there was. */
  List<Entry> all() {
    return all;
  }
}
