/**
 * A PCI function handed to a hypervisor: the server's side of the vfio-user protocol.
 *
 * <pre>
 *   client (QEMU's vfio-user-pci)                 this process
 *   guest's loads and stores ── REGION_READ/WRITE ──► Commands ──► PciFunction
 *   guest's memory           ── DMA_MAP, descriptor ► ClientMemory ◄── bus master
 *     without a descriptor   ◄── DMA_READ, DMA_WRITE ─ DmaMessages ◄──┘
 *   guest's interrupts       ◄──────────── eventfd ── ClientInterrupts ◄── MSI-X, INTx
 * </pre>
 *
 * <p>A device is made with a {@link dev.virtiolab.pci.vfiouser.ClientMemory} as its bus and a
 * {@link dev.virtiolab.pci.vfiouser.ClientInterrupts} as the target of its interrupts, then given
 * to a {@link dev.virtiolab.pci.vfiouser.VfioUserServer}.
 *
 * <p><b>Threads.</b> The server's thread reads messages, one at a time and in order. What a batch
 * of frames may be in the midst of (mappings that go, eventfds) it changes with the function's lock
 * held. A write to a notify register takes no lock, and is answered at once. The device's thread
 * sends DMA messages, and waits for their replies with the function's lock: until somebody else
 * wants it.
 *
 * <p><b>Trust.</b> The client has the machine, but not this process: sizes are bounded before they
 * are used, descriptors are looked at before they are taken, memory has to be sealed against
 * shrinking. What is wrong with a message is its reply; the connection ends only where the next
 * message could not be found, or where replies are not read. When a client goes, however it goes,
 * its memory is unmapped, its eventfds are closed and the function is reset.
 *
 * <p>Specification: "vfio-user Protocol Specification", QEMU's docs/interop/vfio-user.rst. What is
 * left out: migration, and twin sockets, which QEMU does not ask for.
 */
package dev.virtiolab.pci.vfiouser;
