package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdLayout.CCMD;
import static dev.virtiolab.iommu.vtd.VtdLayout.CCMD_ACTUAL_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.CCMD_INVALIDATE;
import static dev.virtiolab.iommu.vtd.VtdLayout.CCMD_REQUESTED_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.DOMAIN_BITS;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD_BYTES;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD_COUNT;
import static dev.virtiolab.iommu.vtd.VtdLayout.GRANULARITY_DOMAIN;
import static dev.virtiolab.iommu.vtd.VtdLayout.GRANULARITY_GLOBAL;
import static dev.virtiolab.iommu.vtd.VtdLayout.GRANULARITY_SELECTIVE;
import static dev.virtiolab.iommu.vtd.VtdLayout.INTERRUPT_MASK;
import static dev.virtiolab.iommu.vtd.VtdLayout.INTERRUPT_PENDING;
import static dev.virtiolab.iommu.vtd.VtdLayout.IOTLB;
import static dev.virtiolab.iommu.vtd.VtdLayout.IOTLB_ACTUAL_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.IOTLB_INVALIDATE;
import static dev.virtiolab.iommu.vtd.VtdLayout.IOTLB_REQUESTED_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.IVA;
import static dev.virtiolab.iommu.vtd.VtdLayout.IVA_ADDRESS_MASK;
import static dev.virtiolab.iommu.vtd.VtdLayout.MAX_ADDRESS_MASK;
import static dev.virtiolab.iommu.vtd.VtdLayout.RTADDR;
import static dev.virtiolab.iommu.vtd.VtdLayout.SET_ROOT_TABLE_POINTER;
import static dev.virtiolab.iommu.vtd.VtdLayout.TRANSLATION_ENABLE;

import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.function.BarHandler;
import dev.virtiolab.pci.function.MessageTarget;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.MappingGeneration;
import java.util.Arrays;
import java.util.List;

/**
 * The unit's registers, and what the guest makes it do by them: Intel VT-d Architecture
 * Specification, chapter 10 "Register Descriptions".
 *
 * <p>A register is read and written as aligned 4 or 8 bytes. What is not there reads as zero; an
 * access of another width or alignment reads as all ones, and a write is lost. A command is carried
 * out within the write that gives it: its bit reads as zero at once.
 *
 * <p>An invalidation is complete when its write returns, but DMA that is under way on another
 * thread is not waited for, and CAP says so (no draining).
 *
 * <p>Registers are under this object's monitor. Requesters look at the root table and at whether
 * translation is on without it.
 */
final class RemappingUnit implements BarHandler {
  private static final long NO_OFFSET_BITS = -Ram.PAGE_BYTES;
  private static final int FRCD_LIMIT = FRCD + FRCD_COUNT * FRCD_BYTES;
  private static final int GRANULARITY_MASK = 3;

  /** Of a command's domain only the bits that domains have count. */
  private static final int DOMAIN_MASK = (1 << DOMAIN_BITS) - 1;

  private final Ram ram;
  private final Tables tables;
  private final MappingGeneration generation;
  private final MessageTarget messages;
  private final FaultLog log = new FaultLog();

  // Written under the monitor, read without.
  private volatile RequesterMemory[] requesters = {};
  private volatile boolean translating;
  private volatile long rootTable;
  private volatile PlatformObserver observer = PlatformObserver.NONE;

  private boolean rootTableSet;
  private long rootTableAddress;
  private long contextCommand;
  private long invalidateAddress;
  private long iotlbCommand;
  private boolean faultEventMasked = true;
  private boolean faultEventPending;
  private int faultEventData;
  private int faultEventAddress;
  private int faultEventUpperAddress;
  private long contextInvalidations;
  private long iotlbInvalidations;

  /**
   * @param messages where fault events go
   */
  RemappingUnit(Ram ram, MappingGeneration generation, MessageTarget messages) {
    this.ram = ram;
    this.tables = new Tables(ram);
    this.generation = generation;
    this.messages = messages;
  }

  void observe(PlatformObserver listener) {
    observer = listener;
  }

  // ---- requesters

  /** The one view of memory that {@code sourceId} has. */
  synchronized RequesterMemory requester(int sourceId) {
    for (RequesterMemory known : requesters) {
      if (known.sourceId() == sourceId) {
        return known;
      }
    }
    int count = requesters.length;
    RequesterMemory[] more = Arrays.copyOf(requesters, count + 1);
    more[count] = new RequesterMemory(sourceId, this, ram, tables, generation);
    requesters = more;
    return more[count];
  }

  boolean isTranslating() {
    return translating;
  }

  /** Guest-physical address, as it was when the guest last told the unit to take it. */
  long rootTable() {
    return rootTable;
  }

  /** Takes note of an access that was refused. */
  void fault(
      int sourceId,
      long address,
      DmaAccess access,
      FaultReason reason,
      DmaFault told,
      boolean silent) {
    synchronized (this) {
      if (log.add(sourceId, address, access, reason, silent)) {
        faultEvent();
      }
    }
    observer.faulted(sourceId, address, access, told);
  }

  /** 7.3 "Non-Recoverable Fault Event": a message, or a bit that remembers it. */
  private void faultEvent() {
    if (faultEventMasked) {
      faultEventPending = true;
    } else {
      messages.deliver(
          (long) faultEventUpperAddress << Integer.SIZE | faultEventAddress & 0xffff_ffffL,
          faultEventData);
    }
  }

  // ---- registers

  @Override
  public synchronized long read(long offset, int width) {
    int register = (int) offset;
    if (width == Integer.BYTES && (register & 3) == 0) {
      return readDword(register) & 0xffff_ffffL;
    }
    if (width == Long.BYTES && (register & 7) == 0) {
      return readDword(register) & 0xffff_ffffL | (long) readDword(register + 4) << Integer.SIZE;
    }
    return ConfigSpace.allOnes(width);
  }

  @Override
  public synchronized void write(long offset, int width, long value) {
    int register = (int) offset;
    if (width == Integer.BYTES && (register & 3) == 0) {
      writeDword(register, (int) value);
    } else if (width == Long.BYTES && (register & 7) == 0) {
      // The lower half first: the upper one has the bits that give a command.
      writeDword(register, (int) value);
      writeDword(register + 4, (int) (value >>> Integer.SIZE));
    }
  }

  private int readDword(int register) {
    if (register >= FRCD && register < FRCD_LIMIT) {
      return log.readDword((register - FRCD) / Integer.BYTES);
    }
    return switch (register) {
      case VtdLayout.VER -> VtdLayout.VERSION;
      case VtdLayout.CAP -> (int) VtdLayout.CAPABILITIES;
      case VtdLayout.CAP + 4 -> upper(VtdLayout.CAPABILITIES);
      case VtdLayout.ECAP -> (int) VtdLayout.EXTENDED_CAPABILITIES;
      case VtdLayout.ECAP + 4 -> upper(VtdLayout.EXTENDED_CAPABILITIES);
      case VtdLayout.GSTS ->
          (translating ? TRANSLATION_ENABLE : 0) | (rootTableSet ? SET_ROOT_TABLE_POINTER : 0);
      case RTADDR -> (int) rootTableAddress;
      case RTADDR + 4 -> upper(rootTableAddress);
      case CCMD -> (int) contextCommand;
      case CCMD + 4 -> upper(contextCommand);
      case VtdLayout.FSTS -> log.status();
      case VtdLayout.FECTL ->
          (faultEventMasked ? INTERRUPT_MASK : 0) | (faultEventPending ? INTERRUPT_PENDING : 0);
      case VtdLayout.FEDATA -> faultEventData;
      case VtdLayout.FEADDR -> faultEventAddress;
      case VtdLayout.FEUADDR -> faultEventUpperAddress;
      case IVA -> (int) invalidateAddress;
      case IVA + 4 -> upper(invalidateAddress);
      case IOTLB -> (int) iotlbCommand;
      case IOTLB + 4 -> upper(iotlbCommand);
      default -> 0;
    };
  }

  private void writeDword(int register, int value) {
    if (register >= FRCD && register < FRCD_LIMIT) {
      log.writeDword((register - FRCD) / Integer.BYTES, value);
      noEventWithoutFault();
      return;
    }
    switch (register) {
      case VtdLayout.GCMD -> globalCommand(value);
      case RTADDR -> rootTableAddress = withLower(rootTableAddress, value) & NO_OFFSET_BITS;
      case RTADDR + 4 -> rootTableAddress = withUpper(rootTableAddress, value);
      case CCMD -> contextCommand = withLower(contextCommand, value);
      case CCMD + 4 -> contextCommand(value);
      case VtdLayout.FSTS -> {
        log.writeStatus(value);
        noEventWithoutFault();
      }
      case VtdLayout.FECTL -> faultEventControl(value);
      case VtdLayout.FEDATA -> faultEventData = value & 0xffff;
      case VtdLayout.FEADDR -> faultEventAddress = value & ~3;
      case VtdLayout.FEUADDR -> faultEventUpperAddress = value;
      case IVA -> invalidateAddress = withLower(invalidateAddress, value) & ~0xf80L;
      case IVA + 4 -> invalidateAddress = withUpper(invalidateAddress, value);
      case IOTLB + 4 -> iotlbCommand(value);
      default -> {
        // Read-only, or not there.
      }
    }
  }

  private static int upper(long register) {
    return (int) (register >>> Integer.SIZE);
  }

  private static long withLower(long register, int value) {
    return register & ~0xffff_ffffL | value & 0xffff_ffffL;
  }

  private static long withUpper(long register, int value) {
    return register & 0xffff_ffffL | (long) value << Integer.SIZE;
  }

  /** 10.4.4 "Global Command Register": a pointer to take, and whether to translate, every time. */
  private void globalCommand(int command) {
    if ((command & SET_ROOT_TABLE_POINTER) != 0) {
      rootTable = rootTableAddress;
      rootTableSet = true;
    }
    boolean wanted = (command & TRANSLATION_ENABLE) != 0;
    if (wanted != translating) {
      translating = wanted;
      generation.advance();
      if (!wanted) {
        log.restart();
      }
    }
  }

  private void faultEventControl(int value) {
    faultEventMasked = (value & INTERRUPT_MASK) != 0;
    if (!faultEventMasked && faultEventPending) {
      faultEventPending = false;
      faultEvent();
    }
  }

  /** The message is not owed any more once the guest has seen to everything it would tell. */
  private void noEventWithoutFault() {
    faultEventPending &= log.status() != 0;
  }

  // ---- invalidation

  /** 10.4.7 "Context Command Register". */
  private void contextCommand(int upper) {
    int actual = upper >>> CCMD_ACTUAL_SHIFT & GRANULARITY_MASK;
    if ((upper & CCMD_INVALIDATE) != 0) {
      actual = forgetContexts(upper >>> CCMD_REQUESTED_SHIFT & GRANULARITY_MASK, upper & 3);
    }
    int kept = upper & (GRANULARITY_MASK << CCMD_REQUESTED_SHIFT | 3);
    contextCommand = withUpper(contextCommand, kept | actual << CCMD_ACTUAL_SHIFT);
  }

  /**
   * @param functionMask FM, 0 to 3: so many bits of the source's function, from its uppermost down,
   *     are not compared
   * @return what was done, 0 for nothing
   */
  private int forgetContexts(int granularity, int functionMask) {
    int domain = (int) contextCommand & DOMAIN_MASK;
    int leftOut = 7 & -8 >> functionMask; // 0, 100, 110 or 111
    int compared = 0xffff & ~leftOut;
    int source = (int) (contextCommand >>> 16) & compared;
    switch (granularity) {
      case GRANULARITY_GLOBAL -> {
        for (RequesterMemory requester : requesters) {
          requester.forgetContext();
        }
        contextsForgotten("contexts");
      }
      case GRANULARITY_DOMAIN -> {
        for (RequesterMemory requester : requesters) {
          requester.forgetContextOf(domain);
        }
        contextsForgotten("contexts of a domain");
      }
      case GRANULARITY_SELECTIVE -> {
        for (RequesterMemory requester : requesters) {
          if ((requester.sourceId() & compared) == source) {
            requester.forgetContext();
          }
        }
        contextsForgotten("context of a device");
      }
      default -> {
        return 0;
      }
    }
    return granularity;
  }

  private void contextsForgotten(String scope) {
    contextInvalidations++;
    generation.advance();
    observer.invalidated(scope, 0, 0);
  }

  /** 10.4.8.1 "IOTLB Invalidate Register"; a range that is too large is not invalidated at all. */
  private void iotlbCommand(int upper) {
    int actual = upper >>> IOTLB_ACTUAL_SHIFT & GRANULARITY_MASK;
    if ((upper & IOTLB_INVALIDATE) != 0) {
      actual = forgetPages(upper >>> IOTLB_REQUESTED_SHIFT & GRANULARITY_MASK, upper & DOMAIN_MASK);
    }
    int kept = upper & ~(IOTLB_INVALIDATE | GRANULARITY_MASK << IOTLB_ACTUAL_SHIFT) & 0x3003_ffff;
    iotlbCommand = (long) (kept | actual << IOTLB_ACTUAL_SHIFT) << Integer.SIZE;
  }

  /**
   * @return what was done, 0 for nothing
   */
  private int forgetPages(int granularity, int domain) {
    switch (granularity) {
      case GRANULARITY_GLOBAL -> {
        for (RequesterMemory requester : requesters) {
          requester.forgetPages();
        }
        pagesForgotten("IOTLB", 0, 0);
      }
      case GRANULARITY_DOMAIN -> {
        for (RequesterMemory requester : requesters) {
          requester.forgetPagesOf(domain);
        }
        pagesForgotten("IOTLB of a domain", 0, 0);
      }
      case GRANULARITY_SELECTIVE -> {
        int mask = (int) invalidateAddress & IVA_ADDRESS_MASK;
        if (mask > MAX_ADDRESS_MASK) {
          return 0;
        }
        int pages = 1 << mask;
        long first = (invalidateAddress >>> Ram.PAGE_SHIFT) & -pages;
        for (RequesterMemory requester : requesters) {
          requester.forgetPagesOf(domain, first, pages);
        }
        pagesForgotten("IOTLB pages", first << Ram.PAGE_SHIFT, pages);
      }
      default -> {
        return 0;
      }
    }
    return granularity;
  }

  private void pagesForgotten(String scope, long address, long pages) {
    iotlbInvalidations++;
    generation.advance();
    observer.invalidated(scope, address, pages);
  }

  // ---- what was seen

  synchronized List<FaultRecord> faults() {
    return log.evidence();
  }

  synchronized VtdCounters counters() {
    long hits = 0;
    long misses = 0;
    long entries = 0;
    for (RequesterMemory requester : requesters) {
      hits += requester.hits();
      misses += requester.misses();
      entries += requester.entries();
    }
    return new VtdCounters(
        translating,
        log.faults(),
        log.notRecorded(),
        hits,
        misses,
        entries,
        contextInvalidations,
        iotlbInvalidations);
  }
}
