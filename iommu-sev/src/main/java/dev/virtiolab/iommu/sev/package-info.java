/**
 * The platform {@code sev}: one memory, three observers, and only one of them has the key.
 *
 * <pre>
 *              guest-physical            system-physical
 *
 *   guest CPU ---- C-bit set ----[ E_K, tweaked ]----+
 *       |                                            |
 *       +--------- C-bit clear ----------------------+--> DRAM
 *                                                    |     |
 *   bus master ---- guest-physical, no key ----------+     |
 *                                                          |
 *   raw DRAM ------ system-physical, no key ---------------+
 * </pre>
 *
 * <p>Private memory is AES-128 in 16-byte blocks: {@code C = E_K(P xor T) xor T} with {@code T =
 * E_K2(system-physical address / 16)}, so that equal plaintexts differ wherever they lie and a
 * block that is moved decrypts to garbage. There is no integrity: a block that is put back where it
 * was is accepted. Where a guest page lies in DRAM is a permutation that moves every page; no page
 * has an alias.
 *
 * <p><b>Held lazily.</b> A page is in one of these states; every look of an outsider, the guest's
 * accesses and flips of the C-bit drive it:
 *
 * <pre>{@code
 *                     CPU reads or writes
 *           +----------------------------------------+
 *           |                                        v
 *     sealed: ciphertext                     open: plaintext
 *      |  ^       ^                                |    |
 *      |  |       +--------------------------------+    |
 *      |  |     device resolves, DRAM is read or written|
 *      |  |                                             |
 * C-bit|  | C-bit                                       |
 * clear|  | set                                         |
 *      v  |                                             |
 *     shared: as it is  <-------------------------------+
 *                             C-bit clear, after sealing
 * }</pre>
 *
 * <p>What each observer sees is what encryption at every store would show, byte for byte, for
 * histories in which one access happens after another. A block that the CPU writes while an
 * outsider has its page sealed may be torn, part of it taken for ciphertext or left in plaintext.
 * Hardware would keep that block whole; nothing else of the page is affected. Memory that another
 * process maps cannot be held this way.
 *
 * <p><b>Threads.</b> Views may be used by any thread. The state of a page is one byte: read with
 * acquire on each access without a lock, changed with release under {@link
 * dev.virtiolab.iommu.sev.SevPages}' lock after the page's bytes were converted.
 *
 * <p>Specification: AMD64 Architecture Programmer's Manual volume 2 (24593), 7.10 "Secure Memory
 * Encryption" and 15.34 "Secure Encrypted Virtualization"; for the guest's side of a flip, edk2's
 * BaseMemEncryptSevLib. The manual leaves the tweak to the implementation; the one here is
 * virtio-lab's own.
 */
package dev.virtiolab.iommu.sev;
