package dev.virtiolab.firmware.handoff;

/**
 * The hand-off as it lies in guest memory: a header page, and behind it one block per range of
 * addresses. Little-endian, no padding between blocks. The format is this lab's own; its model is
 * the list of hand-off blocks in UEFI PI 1.8, volume 3.
 *
 * <pre>
 *   header page                        block
 *   0  magic           8               0   type     4
 *   8  version         4               4   length   4   of the block: 24
 *   12 total length    4  bytes        8   base     8   guest-physical
 *   16 CRC-32C         4               16  size     8   bytes
 *   20 blocks          4               24
 *   24 zero, to the page's end
 * </pre>
 *
 * <p>The CRC-32C is that of all {@code total length} bytes, its own four taken as zero.
 */
public final class HandOffLayout {
  /** Where the hand-off is. */
  public static final long ADDRESS = 0x0080_0000L;

  /** "VLABHOFF". */
  public static final long MAGIC = 0x4646_4F48_4241_4C56L;

  public static final int VERSION = 1;

  public static final int HEADER_MAGIC = 0;
  public static final int HEADER_VERSION = 8;
  public static final int HEADER_TOTAL_LENGTH = 12;
  public static final int HEADER_CRC32C = 16;
  public static final int HEADER_BLOCKS = 20;
  public static final int HEADER_RESERVED = 24;
  public static final int HEADER_LENGTH = 4096;

  public static final int BLOCK_TYPE = 0;
  public static final int BLOCK_LENGTH = 4;
  public static final int BLOCK_BASE = 8;
  public static final int BLOCK_SIZE = 16;
  public static final int BLOCK_BYTES = 24;

  /** One block per range of RAM, ascending. */
  public static final int TYPE_RAM = 1;

  /** These occur once each. */
  public static final int TYPE_FIRMWARE = 2;

  public static final int TYPE_ECAM = 3;
  public static final int TYPE_MMIO32 = 4;
  public static final int TYPE_MMIO64 = 5;

  /** May occur once: where bus masters find memory, if not at the CPU's addresses. */
  public static final int TYPE_INBOUND = 6;

  /** May occur once: registers of the DMA remapping unit. */
  public static final int TYPE_REMAPPING = 7;

  /** May occur once: I/O ports for BARs, counted from port 0. */
  public static final int TYPE_PORTS = 8;

  /** More blocks than this are refused. */
  public static final int MAX_BLOCKS = 64;

  private HandOffLayout() {}
}
