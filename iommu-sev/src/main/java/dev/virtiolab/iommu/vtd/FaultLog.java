package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdLayout.FAULT_RECORD_INDEX_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD_BYTES;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD_COUNT;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD_FAULT;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD_REASON_SHIFT;
import static dev.virtiolab.iommu.vtd.VtdLayout.FRCD_TYPE_READ;
import static dev.virtiolab.iommu.vtd.VtdLayout.PRIMARY_FAULT_OVERFLOW;
import static dev.virtiolab.iommu.vtd.VtdLayout.PRIMARY_PENDING_FAULT;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.memory.DmaAccess;
import java.util.ArrayList;
import java.util.List;

/**
 * The fault recording registers and the fault status that goes with them (Intel VT-d Architecture
 * Specification, 7.2.1 "Primary Fault Logging"): the guest's view, filled in turn, a record stays
 * until the guest clears its F bit, and while the next one is not clear faults are lost and the
 * overflow bit says so.
 *
 * <p>Beside it the lab's evidence: the first {@link #EVIDENCE} accesses that were refused, recorded
 * in a register or not. Nothing is allocated for a fault but its evidence.
 *
 * <p>Under the unit's monitor.
 */
final class FaultLog {
  static final int EVIDENCE = 256;

  private static final int DWORDS_PER_RECORD = FRCD_BYTES / Integer.BYTES;

  private final long[] low = new long[FRCD_COUNT];
  private final long[] high = new long[FRCD_COUNT];
  private final List<FaultRecord> evidence = new ArrayList<>();
  private int next;
  private int firstPending;
  private boolean overflow;
  private long faults;
  private long notRecorded;

  /**
   * An access was refused.
   *
   * @param silent whether its context wants no record
   * @return whether a fault is pending now and none was before
   */
  boolean add(int sourceId, long address, DmaAccess access, FaultReason reason, boolean silent) {
    faults++;
    if (evidence.size() < EVIDENCE) {
      evidence.add(new FaultRecord(sourceId, address, access, reason));
    }
    if (silent || overflow) {
      notRecorded++;
      return false;
    }
    if (high[next] < 0) {
      overflow = true;
      notRecorded++;
      return false;
    }
    boolean first = !isPending();
    if (first) {
      firstPending = next;
    }
    low[next] = address & -Ram.PAGE_BYTES;
    high[next] =
        FRCD_FAULT
            | (access == DmaAccess.READ ? FRCD_TYPE_READ : 0)
            | (long) reason.code() << FRCD_REASON_SHIFT
            | sourceId;
    next = (next + 1) % FRCD_COUNT;
    return first;
  }

  /** Begins with the first record again: translation is off (7.2.1). */
  void restart() {
    next = 0;
  }

  boolean isPending() {
    long any = 0;
    for (long record : high) {
      any |= record;
    }
    return any < 0;
  }

  /** FSTS. */
  int status() {
    return (overflow ? PRIMARY_FAULT_OVERFLOW : 0)
        | (isPending() ? PRIMARY_PENDING_FAULT | firstPending << FAULT_RECORD_INDEX_SHIFT : 0);
  }

  /** FSTS, of which the overflow bit is cleared by writing it. */
  void writeStatus(int value) {
    if ((value & PRIMARY_FAULT_OVERFLOW) != 0) {
      overflow = false;
    }
  }

  /** Four bytes of the records, counted from the first. */
  int readDword(int index) {
    int record = index / DWORDS_PER_RECORD;
    long half = index % DWORDS_PER_RECORD < 2 ? low[record] : high[record];
    return (int) (index % 2 == 0 ? half : half >>> Integer.SIZE);
  }

  /** Only F can be written, and only cleared, by writing it. */
  void writeDword(int index, int value) {
    if (index % DWORDS_PER_RECORD == DWORDS_PER_RECORD - 1 && value < 0) {
      int record = index / DWORDS_PER_RECORD;
      high[record] &= ~FRCD_FAULT;
      // The first that still waits is the next one round, and reads as such.
      for (int i = 0; i < FRCD_COUNT && high[firstPending] >= 0; i++) {
        firstPending = (firstPending + 1) % FRCD_COUNT;
      }
    }
  }

  List<FaultRecord> evidence() {
    return List.copyOf(evidence);
  }

  long faults() {
    return faults;
  }

  long notRecorded() {
    return notRecorded;
  }
}
