package dev.virtiolab.lab.dmacheck;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.vtd.FaultRecord;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.lab.dmacheck.Evidence.Sign;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Who mapped what, and when; and each access of the device held against it.
 *
 * <p>An access is in order if some open mapping of the same function covers its address and is for
 * its direction. It is held against what the driver asked for, to the byte; that a platform maps
 * whole pages makes nothing right.
 */
final class DmaLedger implements DmaObserver {
  private static final long PAGE_BYTES = 4096;
  private static final int SAMPLE_BYTES = 8;
  private static final long STILL_OPEN = -1;

  /** A mapping, and when it was made and undone. */
  private static final class Entry {
    final int requesterId;
    final DmaOperation operation;
    final long hostAddress;
    final long bytes;
    final long deviceAddress;
    final long openedNanos;
    long closedNanos = STILL_OPEN;

    Entry(
        int requesterId,
        DmaOperation operation,
        long hostAddress,
        long bytes,
        long deviceAddress,
        long openedNanos) {
      this.requesterId = requesterId;
      this.operation = operation;
      this.hostAddress = hostAddress;
      this.bytes = bytes;
      this.deviceAddress = deviceAddress;
      this.openedNanos = openedNanos;
    }

    /** First device address that is not in it. */
    long end() {
      return deviceAddress + bytes;
    }

    boolean isOpen() {
      return closedNanos == STILL_OPEN;
    }

    boolean covers(long address) {
      return Long.compareUnsigned(address - deviceAddress, bytes) < 0;
    }

    boolean isOfHost(long address) {
      return Long.compareUnsigned(address - hostAddress, bytes) < 0;
    }

    boolean permits(DmaAccess access) {
      return switch (operation) {
        case BUS_MASTER_READ, BUS_MASTER_READ64 -> access == DmaAccess.READ;
        case BUS_MASTER_WRITE, BUS_MASTER_WRITE64 -> access == DmaAccess.WRITE;
        case BUS_MASTER_COMMON_BUFFER, BUS_MASTER_COMMON_BUFFER64 -> true;
      };
    }

    /** Such as {@code 00:04.0 BusMasterRead at 1.204 ms, unmapped at 1.310 ms}. */
    @Override
    public String toString() {
      return PciAddress.ofRequesterId(requesterId)
          + " "
          + words(operation)
          + " at "
          + Times.ms(openedNanos)
          + (isOpen() ? "" : ", unmapped at " + Times.ms(closedNanos));
    }
  }

  /** Pages that AllocateBuffer gave. */
  private record Buffer(long hostAddress, long bytes) {}

  private final StepClock clock;
  private final Journal journal;
  private final List<Entry> entries = new ArrayList<>();
  private final Map<DmaMapping, Entry> open = new IdentityHashMap<>();
  private final List<Buffer> buffers = new ArrayList<>();
  private Platform platform;

  DmaLedger(StepClock clock, Journal journal) {
    this.clock = clock;
    this.journal = journal;
  }

  /** Says whose memory it is, before anybody maps. */
  void watch(Platform board) {
    platform = board;
  }

  // ---- the driver

  @Override
  public void mapped(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      long bytesMapped,
      long deviceAddress,
      DmaMapping mapping) {
    Entry entry =
        new Entry(requesterId, operation, hostAddress, bytesMapped, deviceAddress, clock.mark());
    entries.add(entry);
    open.put(mapping, entry);
    if (operation == DmaOperation.BUS_MASTER_COMMON_BUFFER && !isFromAllocateBuffer(entry)) {
      journal.noteAt(
          Sign.FOREIGN,
          "",
          deviceAddress,
          "%s mapped %d bytes of %s as CommonBuffer, which AllocateBuffer did not give"
              .formatted(
                  PciAddress.ofRequesterId(requesterId), bytesMapped, Journal.hex(hostAddress)));
    }
  }

  private boolean isFromAllocateBuffer(Entry entry) {
    return buffers.stream()
        .anyMatch(
            buffer ->
                entry.hostAddress >= buffer.hostAddress
                    && entry.hostAddress + entry.bytes <= buffer.hostAddress + buffer.bytes);
  }

  @Override
  public void mapFailed(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      EfiStatus status) {
    journal.noteAt(
        Sign.STATUS,
        "map",
        hostAddress,
        "Map(%s, host address %s, page %s, %d bytes) by %s returned %s"
            .formatted(
                words(operation),
                Journal.hex(hostAddress),
                Journal.page(hostAddress),
                bytesAsked,
                PciAddress.ofRequesterId(requesterId),
                status));
  }

  @Override
  public void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {
    if (status.isError()) {
      journal.note(
          Sign.STATUS,
          "Unmap by %s returned %s".formatted(PciAddress.ofRequesterId(requesterId), status));
      return;
    }
    Entry entry = open.remove(mapping);
    if (entry != null) {
      entry.closedNanos = clock.mark();
    }
  }

  @Override
  public void bufferAllocated(int requesterId, long pages, long hostAddress) {
    buffers.add(new Buffer(hostAddress, pages * PAGE_BYTES));
  }

  @Override
  public void bufferFreed(int requesterId, long pages, long hostAddress, EfiStatus status) {
    if (status.isError()) {
      journal.noteAt(
          Sign.STATUS,
          "free",
          hostAddress,
          "FreeBuffer(%d pages at %s) by %s returned %s"
              .formatted(
                  pages, Journal.hex(hostAddress), PciAddress.ofRequesterId(requesterId), status));
      return;
    }
    buffers.remove(new Buffer(hostAddress, pages * PAGE_BYTES));
  }

  // ---- the device

  /** An access of the function {@code requesterId}, in order or not. */
  void accessed(int requesterId, long address, DmaAccess access, DmaFault outcome) {
    if (outcome != DmaFault.NONE) {
      journal.noteAt(
          Sign.DMA_FAULT,
          access + " " + outcome,
          address,
          "a %s %s by %s was refused: %s%s; %s"
              .formatted(
                  access == DmaAccess.READ ? "read of" : "write to",
                  where(address),
                  PciAddress.ofRequesterId(requesterId),
                  outcome,
                  recorded(address),
                  history(address)));
      return;
    }
    for (Entry entry : open.values()) {
      if (entry.requesterId == requesterId && entry.covers(address) && entry.permits(access)) {
        return;
      }
    }
    journal.noteAt(
        Sign.STRAY,
        access.toString(),
        address,
        "%s %s %s%s; %s"
            .formatted(
                PciAddress.ofRequesterId(requesterId),
                access == DmaAccess.READ ? "read" : "wrote",
                where(address),
                inDram(address),
                history(address)));
  }

  /** What a remapping unit wrote into its fault record, where there is one. */
  private String recorded(long address) {
    if (!(platform instanceof VtdPlatform vtd) || vtd.faults().isEmpty()) {
      return "";
    }
    FaultRecord last = vtd.faults().getLast();
    return last.address() == address
        ? ", recorded as %s (0x%x)".formatted(last.reason(), last.reason().code())
        : "";
  }

  private static String where(long address) {
    return Journal.hex(address) + ", page " + Journal.page(address);
  }

  /** What a device without the key finds there, if that is not what the guest has there. */
  private String inDram(long address) {
    if (platform.pageAttributes().isEmpty() || platform.pageAttributes().get().isShared(address)) {
      return "";
    }
    byte[] sample = new byte[SAMPLE_BYTES];
    long inDram = platform.dram().systemPhysical(address & -SAMPLE_BYTES);
    platform.dram().read(inDram, MemorySegment.ofArray(sample), 0, SAMPLE_BYTES);
    return ", which is private (DRAM at %s holds %s)"
        .formatted(Journal.hex(inDram), HexFormat.of().formatHex(sample));
  }

  /** Who mapped the page of {@code address}: of all that did, what explains the access best. */
  private String history(long address) {
    Entry covering = null;
    Entry endsBefore = null;
    Entry atHost = null;
    Entry undone = null;
    for (Entry entry : entries) { // of two that explain it equally well, the later
      boolean here = samePage(address, entry.deviceAddress, entry.bytes);
      if (!entry.isOpen()) {
        undone = here && (undone == null || entry.covers(address)) ? entry : undone;
      } else if (entry.covers(address)) {
        covering = entry;
      } else if (here && entry.end() <= address) {
        endsBefore = endsBefore == null || entry.end() >= endsBefore.end() ? entry : endsBefore;
      } else if (entry.isOfHost(address)) {
        atHost = entry;
      }
    }
    if (covering != null) {
      return "mapped by " + covering;
    }
    if (atHost != null) {
      return "the host address of what is mapped at %s by %s"
          .formatted(Journal.hex(atHost.deviceAddress), atHost);
    }
    if (undone != null && undone.covers(address)) {
      return "last mapped by " + undone;
    }
    if (endsBefore != null) {
      return "mapped only up to %s, by %s".formatted(Journal.hex(endsBefore.end()), endsBefore);
    }
    return undone != null ? "the page was last mapped by " + undone : "never mapped";
  }

  private static boolean samePage(long address, long start, long bytes) {
    long page = address & -PAGE_BYTES;
    return page >= (start & -PAGE_BYTES) && page <= (start + bytes - 1 & -PAGE_BYTES);
  }

  // ---- the end

  /** Looks, once the driver has stopped, what it has left open and whether that can be reached. */
  void close() {
    for (Entry entry : entries) {
      if (!entry.isOpen()) {
        continue;
      }
      journal.noteLike(
          Sign.LEAK,
          entry.operation.name(),
          entry.deviceAddress,
          "%s, page %s, is mapped still by %s%s"
              .formatted(
                  Journal.hex(entry.deviceAddress),
                  Journal.page(entry.deviceAddress),
                  entry,
                  exposed(entry) ? "; the device sees it" : ""));
    }
  }

  /** Whether the device still gets at what is behind a mapping, in the clear. */
  private boolean exposed(Entry entry) {
    DmaAccess access = entry.permits(DmaAccess.READ) ? DmaAccess.READ : DmaAccess.WRITE;
    boolean reached =
        platform.busMemory(entry.requesterId).resolve(entry.deviceAddress, access, new DmaWindow());
    return reached
        && platform
            .pageAttributes()
            .map(attributes -> attributes.isShared(entry.deviceAddress))
            .orElse(true);
  }

  /** As the specification writes it: {@code BusMasterRead}. */
  private static String words(DmaOperation operation) {
    return switch (operation) {
      case BUS_MASTER_READ, BUS_MASTER_READ64 -> "BusMasterRead";
      case BUS_MASTER_WRITE, BUS_MASTER_WRITE64 -> "BusMasterWrite";
      case BUS_MASTER_COMMON_BUFFER, BUS_MASTER_COMMON_BUFFER64 -> "BusMasterCommonBuffer";
    };
  }
}
