package dev.virtiolab.iommu.sev;

/**
 * What encryption did so far, at one moment.
 *
 * @param flipsToShared pages whose C-bit was cleared
 * @param flipsToPrivate pages whose C-bit was set again
 * @param pagesShared pages with their C-bit clear now
 * @param pagesSharedPeak the most pages that were shared at one time
 * @param pagesSealed pages that went from plaintext to ciphertext because somebody could look
 * @param pagesOpened pages that went from ciphertext to plaintext because the CPU came
 * @param bytesEncrypted bytes that went through the cipher, one way
 * @param bytesDecrypted and the other; a page that the CPU overwrites whole is opened without
 * @param cacheFlushes flushes of the guest's caches, one per change of attributes
 * @param tlbFlushes flushes of the guest's address translations, likewise
 */
public record SevCounters(
    long flipsToShared,
    long flipsToPrivate,
    long pagesShared,
    long pagesSharedPeak,
    long pagesSealed,
    long pagesOpened,
    long bytesEncrypted,
    long bytesDecrypted,
    long cacheFlushes,
    long tlbFlushes) {}
