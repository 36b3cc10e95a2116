/**
 * The IOMMU protocol, by a driver for each platform that needs one; a board has at most one of
 * them.
 *
 * <ul>
 *   <li>{@link dev.virtiolab.firmware.iommu.IoMmuDxe}: memory is encrypted, with the behaviour of
 *       edk2's OvmfPkg/IoMmuDxe. A device reaches only pages whose C-bit is clear, so what it reads
 *       or writes is bounced through such pages, or decrypted in place. {@link
 *       dev.virtiolab.firmware.iommu.BounceSlots} says which pages are kept shared all the time.
 *   <li>{@link dev.virtiolab.firmware.iommu.VTdDxe}: a remapping unit translates, and refuses what
 *       is not mapped.
 *   <li>{@link dev.virtiolab.firmware.iommu.NonCoherentDmaDxe}: no unit at all, but a cache that
 *       devices do not see and an offset between their addresses and the CPU's.
 * </ul>
 *
 * <p>They share how mappings are pooled and bounce buffers kept, and a {@link
 * dev.virtiolab.firmware.iommu.TeardownPolicy}, which says when, after ExitBootServices, they take
 * everything back.
 *
 * <p>A {@link dev.virtiolab.firmware.iommu.DmaObserver} is told what drivers map and unmap.
 *
 * <p>All of it runs on the firmware's one thread. Only {@link
 * dev.virtiolab.firmware.iommu.DmaCounters} may be read from another.
 */
package dev.virtiolab.firmware.iommu;
