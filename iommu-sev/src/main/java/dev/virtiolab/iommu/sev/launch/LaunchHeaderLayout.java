package dev.virtiolab.iommu.sev.launch;

/**
 * virtio-lab's own launch header, the first page of every image; all values little-endian.
 *
 * <pre>
 *   offset  size
 *   0       8     signature, the characters "VLABSEV1"
 *   8       4     version, 1
 *   12      4     number of blocks that follow the header
 *   16      32    SHA-256 of the firmware's classes
 *   48      16    for each block: guest-physical address (8), length (8)
 *   ...           zeros up to 4096
 * </pre>
 */
final class LaunchHeaderLayout {
  /** "VLABSEV1", first character in the lowest byte. */
  static final long SIGNATURE = 0x3156455342414c56L;

  static final int VERSION = 1;

  static final int SIGNATURE_OFFSET = 0;
  static final int VERSION_OFFSET = 8;
  static final int BLOCK_COUNT_OFFSET = 12;
  static final int FIRMWARE_DIGEST_OFFSET = 16;
  static final int BLOCKS_OFFSET = 48;

  static final int BLOCK_ADDRESS_OFFSET = 0;
  static final int BLOCK_LENGTH_OFFSET = 8;

  static final int FIRMWARE_DIGEST_BYTES = 32;
  static final int BLOCK_BYTES = 16;
  static final int HEADER_BYTES = 4096;
  static final int BLOCKS_MAX = (HEADER_BYTES - BLOCKS_OFFSET) / BLOCK_BYTES;

  private LaunchHeaderLayout() {}
}
