package dev.virtiolab.firmware.iommu;

/**
 * Registers and tables of a DMA remapping unit as far as {@link VTdDxe} uses them: Intel
 * Virtualization Technology for Directed I/O, Architecture Specification, chapter 9 "Translation
 * Structure Formats" and chapter 10 "Register Descriptions", legacy mode.
 *
 * <pre>
 * registers                                     root entry, 16 bytes, by bus
 *   000 VER     4   008 CAP    8   010 ECAP 8     0 present   63:12 context table
 *   018 GCMD    4   01c GSTS   4                context entry, 16 bytes, by device and function
 *   020 RTADDR  8   028 CCMD   8   034 FSTS 4     0 present   63:12 page table
 *   IRO     IVA    8                             66:64 width  87:72 domain
 *   IRO+8   IOTLB  8                            page table entry, 8 bytes, 512 to a page
 *   FRO     FRCD  16 each                         0 read  1 write  61:52 ours  51:12 address
 * </pre>
 */
final class VTdLayout {
  static final int VER = 0x000;
  static final int CAP = 0x008;
  static final int ECAP = 0x010;
  static final int GCMD = 0x018;
  static final int GSTS = 0x01c;
  static final int RTADDR = 0x020;
  static final int CCMD = 0x028;
  static final int FSTS = 0x034;

  /** Bytes from ECAP.IRO's register to the next. */
  static final int IOTLB = 8;

  static final int FRCD_BYTES = 16;

  /** Of a fault record: its last four bytes, which have F. */
  static final int FRCD_LAST = 12;

  // CAP
  static final long CAP_ND = 7;
  static final long CAP_RWBF = 1 << 4;
  static final int CAP_SAGAW_SHIFT = 8;
  static final int CAP_FRO_SHIFT = 24;
  static final int CAP_FRO_MASK = 0x3ff;
  static final long CAP_PSI = 1L << 39;
  static final int CAP_NFR_SHIFT = 40;
  static final int CAP_MAMV_SHIFT = 48;
  static final int CAP_MAMV_MASK = 0x3f;
  static final int CAP_DWD_SHIFT = 54;
  static final int CAP_DRD_SHIFT = 55;

  // ECAP
  static final long ECAP_C = 1;
  static final int ECAP_IRO_SHIFT = 8;
  static final int ECAP_IRO_MASK = 0x3ff;

  /** CAP.FRO and ECAP.IRO count in these. */
  static final int OFFSET_UNIT = 16;

  // GCMD and GSTS
  static final int TRANSLATION_ENABLE = 1 << 31;
  static final int SET_ROOT_TABLE_POINTER = 1 << 30;

  // CCMD
  static final long CCMD_INVALIDATE = 1L << 63;
  static final long CCMD_GLOBAL = 1L << 61;
  static final int CCMD_ACTUAL_SHIFT = 59;

  // IOTLB
  static final long IOTLB_INVALIDATE = 1L << 63;
  static final long IOTLB_GLOBAL = 1L << 60;
  static final long IOTLB_DOMAIN = 2L << 60;
  static final long IOTLB_PAGES = 3L << 60;
  static final int IOTLB_ACTUAL_SHIFT = 57;
  static final int IOTLB_DRAIN_READS_SHIFT = 49;
  static final int IOTLB_DRAIN_WRITES_SHIFT = 48;
  static final int IOTLB_DOMAIN_SHIFT = 32;

  // FSTS
  static final int FAULT_OVERFLOW = 1;
  static final int FAULT_PENDING = 1 << 1;

  // Tables
  static final int ENTRY_BYTES = 16;
  static final int BUSES = 256;
  static final long PRESENT = 1;
  static final int CONTEXT_DOMAIN_SHIFT = 8;
  static final int INDEX_BITS = 9;
  static final int INDEX_MASK = (1 << INDEX_BITS) - 1;
  static final long READ = 1;
  static final long WRITE = 1 << 1;
  static final long ADDRESS = 0x000f_ffff_ffff_f000L;

  // Bits 61:52 are the software's: how many mappings need the page for what.
  static final int READERS_SHIFT = 52;
  static final int WRITERS_SHIFT = 57;
  static final long MAX_USERS = 31;

  private VTdLayout() {}
}
