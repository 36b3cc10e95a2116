package dev.virtiolab.iommu;

/**
 * The C-bit of every page, as a guest changes it in its page tables (AMD64 APM volume 2, 15.34.5
 * "SEV Encryption Behavior" and 15.34.6 "Page Table Support"; edk2's BaseMemEncryptSevLib).
 *
 * <p>A flip keeps the bytes in DRAM and changes how the guest reads them: it converts nothing. A
 * page is 4 KiB; addresses are guest-physical and in RAM, those of ranges multiples of the page
 * size, else {@link IllegalArgumentException} and nothing has changed. A range may be empty, and
 * pages that are already as asked for stay so.
 */
public interface PageAttributes {

  /** Clears the C-bit of {@code pages} pages: shared with the host, in plaintext from now on. */
  void setShared(long address, long pages);

  /**
   * Sets the C-bit of {@code pages} pages: private, and read through the guest's key from now on.
   */
  void setPrivate(long address, long pages);

  /** Whether the page that holds {@code address} has its C-bit clear. */
  boolean isShared(long address);
}
