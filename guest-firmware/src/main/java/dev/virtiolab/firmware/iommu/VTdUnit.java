package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.iommu.VTdLayout.CAP;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_DRD_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_DWD_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_FRO_MASK;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_FRO_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_MAMV_MASK;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_MAMV_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_ND;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_NFR_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_PSI;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_RWBF;
import static dev.virtiolab.firmware.iommu.VTdLayout.CAP_SAGAW_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.CCMD;
import static dev.virtiolab.firmware.iommu.VTdLayout.CCMD_ACTUAL_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.CCMD_GLOBAL;
import static dev.virtiolab.firmware.iommu.VTdLayout.CCMD_INVALIDATE;
import static dev.virtiolab.firmware.iommu.VTdLayout.ECAP;
import static dev.virtiolab.firmware.iommu.VTdLayout.ECAP_C;
import static dev.virtiolab.firmware.iommu.VTdLayout.ECAP_IRO_MASK;
import static dev.virtiolab.firmware.iommu.VTdLayout.ECAP_IRO_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.FAULT_OVERFLOW;
import static dev.virtiolab.firmware.iommu.VTdLayout.FAULT_PENDING;
import static dev.virtiolab.firmware.iommu.VTdLayout.FRCD_BYTES;
import static dev.virtiolab.firmware.iommu.VTdLayout.FRCD_LAST;
import static dev.virtiolab.firmware.iommu.VTdLayout.FSTS;
import static dev.virtiolab.firmware.iommu.VTdLayout.GCMD;
import static dev.virtiolab.firmware.iommu.VTdLayout.GSTS;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_ACTUAL_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_DOMAIN;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_DOMAIN_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_DRAIN_READS_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_DRAIN_WRITES_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_GLOBAL;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_INVALIDATE;
import static dev.virtiolab.firmware.iommu.VTdLayout.IOTLB_PAGES;
import static dev.virtiolab.firmware.iommu.VTdLayout.OFFSET_UNIT;
import static dev.virtiolab.firmware.iommu.VTdLayout.RTADDR;
import static dev.virtiolab.firmware.iommu.VTdLayout.SET_ROOT_TABLE_POINTER;
import static dev.virtiolab.firmware.iommu.VTdLayout.TRANSLATION_ENABLE;
import static dev.virtiolab.firmware.iommu.VTdLayout.VER;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.pci.cpu.CpuBus;

/**
 * A DMA remapping unit by its registers: edk2-platforms' IntelVTdDxe/VtdReg.c.
 *
 * <p>Unsupported, and refused by {@link #probe}: units whose walks are not coherent (ECAP.C) or
 * that need their write buffer flushed (CAP.RWBF). That is allowed since no board here has one, and
 * every unit that Intel has made for years does without.
 */
final class VTdUnit {
  /** Looks at a bit that the unit is to change, before the unit is given up. */
  private static final int LOOKS = 10_000;

  private static final int ACTUAL_MASK = 3;

  private final CpuBus bus;
  private final long base;

  private long capabilities;
  private long iotlb;
  private long faultRecords;
  private int faultRecordCount;

  VTdUnit(CpuBus bus, long base) {
    this.bus = bus;
    this.base = base;
  }

  /**
   * Looks what the unit can do.
   *
   * @return NOT_FOUND where no unit answers, UNSUPPORTED for one that this driver cannot drive
   */
  EfiStatus probe() {
    int version = read32(VER);
    if (version == -1 || version == 0) {
      return EfiStatus.NOT_FOUND;
    }
    capabilities = bus.mmioRead(base + CAP, Long.BYTES);
    long extended = bus.mmioRead(base + ECAP, Long.BYTES);
    if ((extended & ECAP_C) == 0 || (capabilities & CAP_RWBF) != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    iotlb = base + OFFSET_UNIT * (extended >>> ECAP_IRO_SHIFT & ECAP_IRO_MASK);
    faultRecords = base + OFFSET_UNIT * (capabilities >>> CAP_FRO_SHIFT & CAP_FRO_MASK);
    faultRecordCount = (int) (capabilities >>> CAP_NFR_SHIFT & 0xff) + 1;
    return EfiStatus.SUCCESS;
  }

  /** Whether page tables of so many levels can be used: 3 or 4. */
  boolean supportsLevels(int levels) {
    return (capabilities >>> CAP_SAGAW_SHIFT + levels - 2 & 1) != 0;
  }

  /** Domains are numbered from 0 to below this. */
  int domains() {
    return 1 << 4 + 2 * (int) (capabilities & CAP_ND);
  }

  private int read32(int register) {
    return (int) bus.mmioRead(base + register, Integer.BYTES);
  }

  // ---- on and off

  boolean isTranslating() {
    return (read32(GSTS) & TRANSLATION_ENABLE) != 0;
  }

  /** Points the unit to a root table, and forgets what it knows of another. */
  EfiStatus setRootTable(long rootTable) {
    bus.mmioWrite(base + RTADDR, Long.BYTES, rootTable);
    EfiStatus status = command(SET_ROOT_TABLE_POINTER, SET_ROOT_TABLE_POINTER, true);
    return status.isError() ? status : forgetAll();
  }

  EfiStatus setTranslation(boolean on) {
    return command(on ? TRANSLATION_ENABLE : 0, TRANSLATION_ENABLE, on);
  }

  /** Gives a command, leaving translation as it is unless it is the command's. */
  private EfiStatus command(int command, int status, boolean set) {
    int keep = read32(GSTS) & TRANSLATION_ENABLE & ~status;
    bus.mmioWrite(base + GCMD, Integer.BYTES, (keep | command) & 0xffff_ffffL);
    for (int looks = 0; looks < LOOKS; looks++) {
      if ((read32(GSTS) & status) != 0 == set) {
        return EfiStatus.SUCCESS;
      }
    }
    return EfiStatus.DEVICE_ERROR;
  }

  // ---- invalidation

  /** Makes the unit forget every context, and then every translation. */
  EfiStatus forgetAll() {
    bus.mmioWrite(base + CCMD, Long.BYTES, CCMD_INVALIDATE | CCMD_GLOBAL);
    EfiStatus status = complete(base + CCMD, CCMD_ACTUAL_SHIFT);
    return status.isError() ? status : invalidate(IOTLB_GLOBAL, 0);
  }

  /** Makes the unit forget {@code pages} translations of {@code domain}, and maybe some more. */
  EfiStatus forgetPages(int domain, long firstPage, long pages) {
    // The smallest aligned block around them.
    long last = firstPage + pages - 1;
    int mask = Long.SIZE - Long.numberOfLeadingZeros(firstPage ^ last);
    if ((capabilities & CAP_PSI) == 0 || mask > (capabilities >>> CAP_MAMV_SHIFT & CAP_MAMV_MASK)) {
      return invalidate(IOTLB_DOMAIN, domain);
    }
    long block = firstPage >>> mask << mask;
    bus.mmioWrite(iotlb, Long.BYTES, block << PageEncMask.PAGE_SHIFT | mask);
    return invalidate(IOTLB_PAGES, domain);
  }

  private EfiStatus invalidate(long granularity, int domain) {
    // DMA under way is waited for where the unit can.
    long drain =
        (capabilities >>> CAP_DRD_SHIFT & 1) << IOTLB_DRAIN_READS_SHIFT
            | (capabilities >>> CAP_DWD_SHIFT & 1) << IOTLB_DRAIN_WRITES_SHIFT;
    bus.mmioWrite(
        iotlb + IOTLB,
        Long.BYTES,
        IOTLB_INVALIDATE | granularity | drain | (long) domain << IOTLB_DOMAIN_SHIFT);
    return complete(iotlb + IOTLB, IOTLB_ACTUAL_SHIFT);
  }

  /** Waits for a command's bit to clear, and looks whether anything was done. */
  private EfiStatus complete(long register, int actualShift) {
    for (int looks = 0; looks < LOOKS; looks++) {
      long value = bus.mmioRead(register, Long.BYTES);
      if (value >= 0) { // its bit is the uppermost, in both registers
        boolean done = (value >>> actualShift & ACTUAL_MASK) != 0;
        return done ? EfiStatus.SUCCESS : EfiStatus.DEVICE_ERROR;
      }
    }
    return EfiStatus.DEVICE_ERROR;
  }

  // ---- faults

  /** Clears the fault records that are pending, and the overflow; returns how many there were. */
  int takeFaults() {
    int status = read32(FSTS);
    if ((status & (FAULT_PENDING | FAULT_OVERFLOW)) == 0) {
      return 0;
    }
    int faults = 0;
    for (int record = 0; record < faultRecordCount; record++) {
      long last = faultRecords + (long) FRCD_BYTES * record + FRCD_LAST;
      int value = (int) bus.mmioRead(last, Integer.BYTES);
      if (value < 0) { // F
        bus.mmioWrite(last, Integer.BYTES, value & 0xffff_ffffL);
        faults++;
      }
    }
    bus.mmioWrite(base + FSTS, Integer.BYTES, FAULT_OVERFLOW);
    return faults;
  }
}
