/**
 * Virtio in the guest: the transport drivers for modern PCI functions (edk2, OvmfPkg/Virtio10Dxe)
 * and for those with a legacy interface (edk2, OvmfPkg/VirtioPciDeviceDxe), and what virtio drivers
 * share (edk2, OvmfPkg/Library/VirtioLib).
 *
 * <p>{@link dev.virtiolab.firmware.virtio.Virtio10Dxe} and {@link
 * dev.virtiolab.firmware.virtio.VirtioPciDeviceDxe} are the doors for who puts a firmware together;
 * {@link dev.virtiolab.firmware.virtio.VirtioLib} and {@link
 * dev.virtiolab.firmware.virtio.VirtioRing} are for drivers.
 *
 * <pre>{@code
 * driver          VirtioRing         VirtioDevice       PciIo            the device
 *   |  virtioRingInit  |                  |               |                   |
 *   |----------------->| allocateSharedPages (PciIo.allocateBuffer)           |
 *   |  virtioRingMap   |----------------->|-- map ------->|                   |
 *   |  setQueueAddress |                  |-- memWrite -->| queue_desc, ...   |
 *   |------------------------------------>|               |------------------>|
 *   |  offer, publish  |  bytes in shared memory                              |
 *   |----------------->|- - - - - - - - - - - - - - - - - - - - - - - - - - ->|
 *   |  setQueueNotify  |                  |-- memWrite -->|------------------>|
 *   |  look, take      |<- - - - - - - - - - - - - - - - - - - - - - - - - - -|
 * }</pre>
 *
 * <p>Everything runs on the firmware's one thread. The device is not trusted: what it writes is
 * read once and checked, loops over what it says have a bound, and a device that breaks the rules
 * ends as a status code.
 *
 * <p>Unsupported, and allowed to be: modern structures in I/O BARs and the configuration access
 * window (a device offers memory BARs too), MSI-X (a UEFI driver polls), indirect descriptors,
 * event index and packed rings (features a driver may leave).
 *
 * <p>Specification: virtio v1.4, 2.7 "Split Virtqueues", 3.1 "Device Initialization", 4.1 "Virtio
 * Over PCI Bus".
 */
package dev.virtiolab.firmware.virtio;
