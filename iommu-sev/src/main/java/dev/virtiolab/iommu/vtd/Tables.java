package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdLayout.ADDRESS_WIDTH_MASK;
import static dev.virtiolab.iommu.vtd.VtdLayout.DOMAIN_BITS;
import static dev.virtiolab.iommu.vtd.VtdLayout.DOMAIN_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.ENTRY_BYTES;
import static dev.virtiolab.iommu.vtd.VtdLayout.FAULT_PROCESSING_DISABLE;
import static dev.virtiolab.iommu.vtd.VtdLayout.HOST_ADDRESS_BITS;
import static dev.virtiolab.iommu.vtd.VtdLayout.PRESENT;
import static dev.virtiolab.iommu.vtd.VtdLayout.READ;
import static dev.virtiolab.iommu.vtd.VtdLayout.TRANSLATION_TYPE_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.WRITE;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Walks the tables that the guest has in memory. They are the guest's, who may be hostile or wrong:
 * each word is read once and checked, no table outside RAM is touched, and a walk takes as many
 * steps as the context has levels.
 *
 * <p>Results are packed into a long, since a walk is on the path of every frame. A refusal is
 * negative: minus the {@link FaultReason}'s code, in the low four bits of which nothing else is,
 * and {@link #NOT_RECORDED} above them where the context asks for no record.
 *
 * <pre>
 * context   | page table 45:12 | domain 11:4 | 0 | 4 levels 2 | FPD 1 | 1 |
 * leaf      | leaf table 45:12 | 0                        | W 1 | R 0 |
 * entry     as in memory
 * </pre>
 */
final class Tables {
  /** In a refusal: FPD. */
  static final int NOT_RECORDED = 1 << 4;

  /** In a refusal for want of a permission: the page has the other one. */
  static final int PAGE_PRESENT = 1 << 5;

  private static final VarHandle LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private static final long ADDRESS = (1L << HOST_ADDRESS_BITS) - Ram.PAGE_BYTES;
  private static final long PERMISSIONS = READ | WRITE;

  /** Messages to the interrupt controllers: no table is asked about them, and none leads there. */
  private static final long INTERRUPT_MIB = 0xfee;

  /** Bits 11:1 and those above the physical address. */
  private static final long ROOT_RESERVED = ~(ADDRESS | PRESENT);

  /** Bits 11:4 and those above the physical address. */
  private static final long CONTEXT_LOW_RESERVED = ~(ADDRESS | 0xf);

  /** All but AW, four ignored bits, and the domain. */
  private static final long CONTEXT_HIGH_RESERVED =
      ~(0x7f | ((1L << DOMAIN_BITS) - 1) << DOMAIN_SHIFT);

  /** Ignored are bits 10:2 (no execution, no memory types) but for PS, 61:52 and 63. */
  private static final long IGNORED = 0x77cL | 0x3ffL << 52 | 1L << 63;

  private static final long TABLE_RESERVED = ~(ADDRESS | PERMISSIONS | IGNORED);

  /** In a leaf bit 7 says nothing; above one it would make a large page, and there are none. */
  private static final long PAGE_RESERVED = TABLE_RESERVED & ~0x80L;

  static final int INDEX_BITS = 9;
  private static final int INDEX_MASK = (1 << INDEX_BITS) - 1;

  private final Ram ram;

  Tables(Ram ram) {
    this.ram = ram;
  }

  // ---- contexts

  /** The context of {@code sourceId}, never 0. */
  long context(long rootTable, int sourceId) {
    long rootEntry = rootTable + (long) (sourceId >>> 8) * ENTRY_BYTES;
    RamBank bank = ram.find(rootEntry);
    if (bank == null) {
      return refused(FaultReason.ROOT_TABLE_UNREACHABLE);
    }
    long root = read(bank, rootEntry);
    long rootHigh = read(bank, rootEntry + Long.BYTES);
    if ((root & PRESENT) == 0) {
      return refused(FaultReason.ROOT_NOT_PRESENT);
    }
    if ((root & ROOT_RESERVED) != 0 || rootHigh != 0) {
      return refused(FaultReason.ROOT_RESERVED);
    }
    long contextEntry = (root & ADDRESS) + (long) (sourceId & 0xff) * ENTRY_BYTES;
    bank = ram.find(contextEntry);
    if (bank == null) {
      return refused(FaultReason.CONTEXT_TABLE_UNREACHABLE);
    }
    return context(read(bank, contextEntry), read(bank, contextEntry + Long.BYTES));
  }

  private static long context(long low, long high) {
    boolean silent = (low & FAULT_PROCESSING_DISABLE) != 0;
    if ((low & PRESENT) == 0) {
      return refused(FaultReason.CONTEXT_NOT_PRESENT, silent);
    }
    if ((low & CONTEXT_LOW_RESERVED) != 0 || (high & CONTEXT_HIGH_RESERVED) != 0) {
      return refused(FaultReason.CONTEXT_RESERVED, silent);
    }
    int width = (int) high & ADDRESS_WIDTH_MASK;
    if ((low >>> TRANSLATION_TYPE_SHIFT & 3) != 0 || width < 1 || width > 2) {
      return refused(FaultReason.CONTEXT_INVALID, silent);
    }
    long domain = high >>> DOMAIN_SHIFT & (1 << DOMAIN_BITS) - 1;
    return low & ADDRESS | domain << 4 | (width - 1L) << 2 | low & FAULT_PROCESSING_DISABLE | 1;
  }

  static int domain(long context) {
    return (int) (context >>> 4) & (1 << DOMAIN_BITS) - 1;
  }

  static boolean isSilent(long context) {
    return (context & FAULT_PROCESSING_DISABLE) != 0;
  }

  static long topTable(long context) {
    return context & ADDRESS;
  }

  static int levels(long context) {
    return 3 + (int) (context >>> 2 & 1);
  }

  /** Whether {@code address} is narrow enough for the context's tables. */
  static boolean covers(long context, long address) {
    return address >>> Ram.PAGE_SHIFT + INDEX_BITS * levels(context) == 0;
  }

  static boolean isForInterrupts(long address) {
    return address >>> 20 == INTERRUPT_MIB;
  }

  // ---- pages

  /**
   * The last table on the way to {@code page}, and what the tables above it permit.
   *
   * @param page number of a page that the context {@linkplain #covers covers}
   * @param wanted {@link VtdLayout#READ} or {@link VtdLayout#WRITE}
   */
  long leafTable(long context, long page, long wanted) {
    long table = topTable(context);
    long permitted = PERMISSIONS;
    int top = levels(context) - 1;
    for (int level = top; level > 0; level--) {
      long at = table + (page >>> INDEX_BITS * level & INDEX_MASK) * Long.BYTES;
      RamBank bank = ram.find(at);
      if (bank == null) {
        // Condition LCT.4.3: what the context itself points to is part of it.
        return refused(
            level == top ? FaultReason.CONTEXT_INVALID : FaultReason.PAGE_TABLE_UNREACHABLE);
      }
      long entry = read(bank, at);
      if ((entry & wanted) == 0) {
        return notPermitted(entry, wanted);
      }
      if (!isTable(entry)) {
        return refused(FaultReason.PAGE_ENTRY_RESERVED);
      }
      permitted &= entry;
      table = address(entry);
    }
    return ram.find(table) == null
        ? refused(FaultReason.PAGE_TABLE_UNREACHABLE)
        : table | permitted;
  }

  /**
   * Address and permissions of {@code page}, as an entry has them.
   *
   * @param leafTable from {@link #leafTable}
   */
  long page(long leafTable, long page, long wanted) {
    long at = (leafTable & ADDRESS) + (page & INDEX_MASK) * Long.BYTES;
    // In one page with the table's first byte, which was found in RAM.
    long entry = read(ram.bank(at), at);
    if ((entry & wanted) == 0) {
      return notPermitted(entry, wanted);
    }
    if ((entry & PAGE_RESERVED) != 0) {
      return refused(FaultReason.PAGE_ENTRY_RESERVED);
    }
    if (isForInterrupts(address(entry))) {
      return refused(FaultReason.PAGE_FOR_INTERRUPTS);
    }
    return entry & (ADDRESS | leafTable & PERMISSIONS);
  }

  /** Where an entry points. */
  static long address(long entry) {
    return entry & ADDRESS;
  }

  /** Whether an entry that is present may point to a table. */
  static boolean isTable(long entry) {
    return (entry & TABLE_RESERVED) == 0;
  }

  /** Whether an entry of the last table that is present may point to a page. */
  static boolean isPage(long entry) {
    return (entry & PAGE_RESERVED) == 0 && !isForInterrupts(address(entry));
  }

  private static long notPermitted(long entry, long wanted) {
    FaultReason reason =
        wanted == WRITE ? FaultReason.WRITE_NOT_PERMITTED : FaultReason.READ_NOT_PERMITTED;
    long present = (entry & PERMISSIONS) == 0 ? 0 : PAGE_PRESENT;
    return refused(reason) - present;
  }

  private static long refused(FaultReason reason) {
    return -reason.code();
  }

  private static long refused(FaultReason reason, boolean silent) {
    return -(reason.code() | (silent ? NOT_RECORDED : 0));
  }

  static long read(RamBank bank, long address) {
    // Opaque: one whole read, of what was in memory when it was made.
    return (long) LONG.getOpaque(bank.segment(), bank.offset(address));
  }
}
