/**
 * The network card's driver: Simple Network Protocol over virtio (edk2, OvmfPkg/VirtioNetDxe).
 *
 * <p>{@link dev.virtiolab.firmware.net.VirtioNetDxe} is the door; its clients see {@link
 * dev.virtiolab.firmware.uefi.SimpleNetwork}, and whoever reports {@link
 * dev.virtiolab.firmware.net.SnpCounters}, both on the child handle.
 *
 * <p>States, and the methods that lead from one to the next:
 *
 * <pre>{@code
 *                   |  ^
 * VirtioNetDxe      |  |  VirtioNetDxe
 *   .start          |  |    .stop
 *   .populate       |  |    .evacuate
 *   VirtioNet.probe v  |
 *              +-------------+   device reset; address and link known;
 *              |   STOPPED   |   nothing allocated, nothing mapped
 *              +-------------+
 * VirtioNetSnp      |  ^   VirtioNetSnp
 *   .start          v  |     .stop
 *              +-------------+
 *              |   STARTED   |   the same, as far as the device knows
 *              +-------------+
 * VirtioNetSnp      |  ^   VirtioNetSnp
 *   .initialize     |  |     .shutdown
 *   VirtioNet       |  |     VirtioNet
 *   .bringUp        v  |     .takeDown
 *              +-------------+        VirtioNetSnp.reset (VirtioNet.reset)
 *              | INITIALIZED | ---+   both queues emptied; address, filters
 *              +-------------+ <--+   and statistics kept
 *                   |    ^
 * VirtioNet.fail    |    | VirtioNetSnp.reset, or shutdown and initialize
 * VirtioNet.quiesce v    |
 *              +-------------+   still INITIALIZED to SNP; the device is reset,
 *              |   broken    |   traffic calls answer DEVICE_ERROR
 *              +-------------+
 * }</pre>
 *
 * <p>What the device is told when it goes live, and where its bytes lie, is drawn at {@link
 * dev.virtiolab.firmware.net.VirtioNetTransmitter}, {@link
 * dev.virtiolab.firmware.net.VirtioNetReceiver} and {@link
 * dev.virtiolab.firmware.virtio.VringLayout}.
 *
 * <p>Everything runs on the firmware's one thread at TPL_CALLBACK; only {@code SnpCounters} may be
 * read from another. Transmit, GetStatus and Receive allocate nothing once traffic flows.
 *
 * <p>Unsupported, and why that is allowed:
 *
 * <ul>
 *   <li>NvData: the card has no such memory, and says so with nvRamSize 0.
 *   <li>Extra buffers in Initialize: UNSUPPORTED is the documented answer.
 *   <li>Checksum and segmentation offloads, merged receive buffers, control queue: features that a
 *       driver may leave. Without the control queue the device does not filter; the driver does.
 *   <li>Packets above 9216 bytes: {@link dev.virtiolab.firmware.net.VirtioNetMtu}.
 * </ul>
 *
 * <p>A device before version 1 has no FEATURES_OK, and a header of 10 bytes instead of 12.
 *
 * <p>Specifications: UEFI 2.10, 24.1 "Simple Network Protocol"; virtio v1.4, 5.1 "Network Device".
 * What differs from edk2 is in docs/adr/0003-where-virtionetdxe-differs-from-edk2.md.
 */
package dev.virtiolab.firmware.net;
