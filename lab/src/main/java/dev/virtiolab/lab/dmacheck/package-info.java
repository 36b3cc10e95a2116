/**
 * Which platform catches which driver mistake about DMA, found out by running it.
 *
 * <p>{@link dev.virtiolab.lab.dmacheck.DmaCheck} runs a driver of {@link
 * dev.virtiolab.firmware.mistake.Mistake} on a real board: firmware, IOMMU driver, device and wire
 * are those of {@code vlab ping}. Nobody tells it what to expect. It looks at what the driver
 * mapped ({@code DmaLedger}), at each access of the device ({@code BusProbe}), at what came out at
 * either end, and draws its verdict from that.
 *
 * <pre>
 *   SmallNet --- PciIo --- IOMMU driver         frames as meant
 *      |           |                                  |
 *      |           +-- Map, Unmap --> DmaLedger <--+   |
 *      |                                 |         |   v
 *    rings, frames                    Journal   accesses, one by one
 *      |                                 ^         |
 *   memory ---- platform ---- BusProbe --|---------+
 *                                |       |
 *                              the NIC --+-- wire --> frames as they came
 * </pre>
 *
 * <p>Guest and device take turns on the caller's thread under a clock that moves only when told, so
 * that the same seed gives the same run.
 */
package dev.virtiolab.lab.dmacheck;
