/**
 * How a guest under SEV comes to life, and how its owner knows that it is the right one.
 *
 * <pre>{@code
 * owner                      host                        security processor
 *   | session (TIK, policy)   |                                   |
 *   |------------------------>| LAUNCH_START -------------------->| digest = SHA-256 of nothing
 *   |                         | LAUNCH_UPDATE_DATA, each block -->| encrypts it in place,
 *   |                         |                                   | extends the digest by it
 *   |                         | LAUNCH_MEASURE ------------------>| HMAC-SHA-256 under TIK
 *   |<------------------------| measurement, nonce                |
 *   | compares with its own   |                                   |
 *   |------------------------>| LAUNCH_FINISH ------------------->| the guest may run
 * }</pre>
 *
 * <p>The digest covers the bytes of the blocks in their order and not their addresses, as the
 * specification has it. {@link dev.virtiolab.iommu.sev.launch.LaunchImage} starts with a header
 * page that names the address and length of every block and the hash of the firmware, so that these
 * are measured too.
 *
 * <p>Specification: AMD Secure Encrypted Virtualization API Version 0.24 (55766), sections 6.2
 * LAUNCH_START, 6.3 LAUNCH_UPDATE_DATA, 6.5 LAUNCH_MEASURE, 6.7 LAUNCH_FINISH. The exchange of
 * certificates that carries TIK to the security processor is not played: both sides are given it.
 * One thread at a time.
 */
package dev.virtiolab.iommu.sev.launch;
