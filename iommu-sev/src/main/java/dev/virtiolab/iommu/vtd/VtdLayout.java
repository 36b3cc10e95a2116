package dev.virtiolab.iommu.vtd;

/**
 * Registers and tables of a DMA remapping unit in legacy mode: Intel Virtualization Technology for
 * Directed I/O, Architecture Specification, chapter 9 "Translation Structure Formats" and chapter
 * 10 "Register Descriptions". Little-endian.
 *
 * <pre>
 * registers                                      root entry, 16 bytes, by bus
 *   000 VER      4   version                       0  P   present
 *   008 CAP      8   capabilities                 12  CTP context table
 *   010 ECAP     8   more of them                context entry, 16 bytes, by device and function
 *   018 GCMD     4   global command                0  P   present
 *   01c GSTS     4   what of it is done            1  FPD faults are not recorded
 *   020 RTADDR   8   root table                    2  TT  translation type, 2 bits
 *   028 CCMD     8   forget contexts              12  SLPTPTR second-level page table
 *   034 FSTS     4   fault status                 64  AW  address width, 3 bits
 *   038 FECTL    4   fault event: mask            72  DID domain, 16 bits
 *   03c FEDATA   4   its message's data          second-level entry, 8 bytes, 512 to a page
 *   040 FEADDR   4   its message's address         0  R   may be read by the device
 *   044 FEUADDR  4   upper half of that            1  W   may be written by it
 *   100 IVA      8   what address to forget       12  ADDR table below, or page
 *   108 IOTLB    8   forget translations          52  10 bits for software
 *   200 FRCD  8x16   fault records
 * </pre>
 */
public final class VtdLayout {
  public static final int REGISTER_BYTES = 0x1000;

  public static final int VER = 0x000;
  public static final int CAP = 0x008;
  public static final int ECAP = 0x010;
  public static final int GCMD = 0x018;
  public static final int GSTS = 0x01c;
  public static final int RTADDR = 0x020;
  public static final int CCMD = 0x028;
  public static final int FSTS = 0x034;
  public static final int FECTL = 0x038;
  public static final int FEDATA = 0x03c;
  public static final int FEADDR = 0x040;
  public static final int FEUADDR = 0x044;

  /** CAP.FRO and ECAP.IRO say where these are; other units have them elsewhere. */
  public static final int IVA = 0x100;

  public static final int IOTLB = 0x108;
  public static final int FRCD = 0x200;
  public static final int FRCD_BYTES = 16;
  public static final int FRCD_COUNT = 8;

  /** Major version 1, minor 0. */
  public static final int VERSION = 0x10;

  // CAP, 10.4.2 "Capability Register".

  /** ND 2: domains have 8 bits. */
  public static final int DOMAIN_BITS = 8;

  /** SAGAW: page tables of 3 levels (39 bits) and of 4 (48 bits). */
  public static final int SAGAW_3_AND_4_LEVELS = 0b00110;

  /** MGAW + 1: bus addresses above are refused. */
  public static final int GUEST_ADDRESS_BITS = 48;

  /** Physical addresses above are reserved bits in every table. */
  public static final int HOST_ADDRESS_BITS = 46;

  /** MAMV: one page-selective invalidation reaches at most 2^9 pages. */
  public static final int MAX_ADDRESS_MASK = 9;

  /**
   * Not offered: large pages, protected memory ranges, advanced fault logging, caching mode (what
   * is not present is never cached), draining of DMA under way.
   */
  public static final long CAPABILITIES =
      2L
          | (long) SAGAW_3_AND_4_LEVELS << 8
          | (long) (GUEST_ADDRESS_BITS - 1) << 16
          | (long) (FRCD / 16) << 24
          | 1L << 39 // PSI: page-selective invalidation
          | (long) (FRCD_COUNT - 1) << 40
          | (long) MAX_ADDRESS_MASK << 48;

  /**
   * 10.4.3 "Extended Capability Register": table walks are coherent, so the driver need not flush
   * what it writes. Not offered: queued invalidation, interrupt remapping, device TLBs,
   * pass-through.
   */
  public static final long EXTENDED_CAPABILITIES = 1L | (long) (IVA / 16) << 8;

  // GCMD and GSTS, 10.4.4 and 10.4.5.
  public static final int TRANSLATION_ENABLE = 1 << 31;
  public static final int SET_ROOT_TABLE_POINTER = 1 << 30;

  // CCMD, 10.4.7 "Context Command Register"; bits of its upper half.
  public static final int CCMD_INVALIDATE = 1 << 31;
  public static final int CCMD_REQUESTED_SHIFT = 29;
  public static final int CCMD_ACTUAL_SHIFT = 27;

  // IOTLB, 10.4.8.1 "IOTLB Invalidate Register"; bits of its upper half.
  public static final int IOTLB_INVALIDATE = 1 << 31;
  public static final int IOTLB_REQUESTED_SHIFT = 28;
  public static final int IOTLB_ACTUAL_SHIFT = 25;

  /** Granularities of both: 2 bits. */
  public static final int GRANULARITY_GLOBAL = 1;

  public static final int GRANULARITY_DOMAIN = 2;

  /** A device and its functions in CCMD, pages in IOTLB. */
  public static final int GRANULARITY_SELECTIVE = 3;

  /** IVA, 10.4.8.2: so many low bits of the page number are ignored. */
  public static final int IVA_ADDRESS_MASK = 0x3f;

  // FSTS, 10.4.9 "Fault Status Register".
  public static final int PRIMARY_FAULT_OVERFLOW = 1;
  public static final int PRIMARY_PENDING_FAULT = 1 << 1;
  public static final int FAULT_RECORD_INDEX_SHIFT = 8;

  // FECTL, 10.4.10 "Fault Event Control Register".
  public static final int INTERRUPT_MASK = 1 << 31;
  public static final int INTERRUPT_PENDING = 1 << 30;

  // FRCD, 10.4.14 "Fault Recording Registers"; bits of the upper eight bytes.
  public static final long FRCD_FAULT = 1L << 63;

  /** Of a fault on a read; clear for one on a write. */
  public static final long FRCD_TYPE_READ = 1L << 62;

  public static final int FRCD_REASON_SHIFT = 32;

  // Tables.
  public static final int ENTRY_BYTES = 16;
  public static final long PRESENT = 1;
  public static final long FAULT_PROCESSING_DISABLE = 1 << 1;

  /** Context entry, lower half. */
  public static final int TRANSLATION_TYPE_SHIFT = 2;

  /** Context entry, upper half: AW 1 is 39 bits in 3 levels, AW 2 is 48 bits in 4. */
  public static final int ADDRESS_WIDTH_MASK = 7;

  public static final int DOMAIN_SHIFT = 8;

  public static final long READ = 1;
  public static final long WRITE = 1 << 1;

  private VtdLayout() {}
}
