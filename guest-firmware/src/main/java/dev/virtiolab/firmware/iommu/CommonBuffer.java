package dev.virtiolab.firmware.iommu;

/**
 * A buffer from AllocateBuffer: COMMON_BUFFER_HEADER in edk2.
 *
 * <pre>
 *                   hostAddress
 *   +---------------+------------------------------+     +------------------------------+
 *   | header page   | the buffer: shared, mapped   |     | stash: as large, always      |
 *   | private       | or (in a slot) always        |     | private, anywhere in memory  |
 *   +---------------+------------------------------+     +------------------------------+
 * </pre>
 *
 * <p>edk2 keeps these fields in the header page. Here the page is laid out and signed likewise, but
 * what the driver believes is in this object: without memory integrity a host can garble a private
 * page, and a stash pointer read back from there could be anything.
 */
final class CommonBuffer {
  /** "CMNBUFFR", as edk2 signs a header page. */
  static final long SIGNATURE = 0x5246_4655_424e_4d43L;

  static final int SIGNATURE_OFFSET = 0;
  static final int STASH_OFFSET = 8;
  static final int HEADER_BYTES = 16;

  final long hostAddress;
  final long pages;
  final long stash;
  final int slot;
  boolean mapped;

  CommonBuffer(long hostAddress, long pages, long stash, int slot) {
    this.hostAddress = hostAddress;
    this.pages = pages;
    this.stash = stash;
    this.slot = slot;
  }

  long headerPage() {
    return hostAddress - PageEncMask.PAGE_BYTES;
  }
}
