/**
 * The IOMMU protocol of a guest with encrypted memory, with the behaviour of edk2's
 * OvmfPkg/IoMmuDxe: a device reaches only pages whose C-bit is clear, so what it reads or writes is
 * bounced through such pages, or decrypted in place.
 *
 * <p>{@link dev.virtiolab.firmware.iommu.IoMmuDxe} is the driver, {@link
 * dev.virtiolab.firmware.iommu.BounceSlots} says which pages it keeps shared all the time, and a
 * {@link dev.virtiolab.firmware.iommu.TeardownPolicy} when, after ExitBootServices, it takes
 * everything back.
 *
 * <p>A {@link dev.virtiolab.firmware.iommu.DmaObserver} is told what drivers map and unmap.
 *
 * <p>All of it runs on the firmware's one thread. Only {@link
 * dev.virtiolab.firmware.iommu.DmaCounters} may be read from another.
 */
package dev.virtiolab.firmware.iommu;
