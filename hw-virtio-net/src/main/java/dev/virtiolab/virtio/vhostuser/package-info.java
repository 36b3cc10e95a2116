/**
 * The device handed to another process by vhost-user: its rings, without registers and PCI.
 *
 * <pre>
 *   front-end ──unix socket──► Session ──► Requests ──► VhostUserTransport ◄──► VirtioDevice
 *      (QEMU,                  (server's thread)              │ rings, memory, IOTLB
 *       DPDK)   ◄──IOTLB misses── BackEndChannel ◄────────────┘
 *      memory, kick and call eventfds ◄─────────────── the device's thread
 * </pre>
 *
 * <p>{@link dev.virtiolab.virtio.vhostuser.VhostUserServer} is the door. Its thread reads messages;
 * the thread that drives the device moves frames; both hold the device's lock meanwhile, a message
 * for one request, a batch for at most 64 frames. So whatever a batch has resolved stays until its
 * end, and memory is unmapped only between batches.
 *
 * <h2>Promises to a hostile front-end</h2>
 *
 * <ol>
 *   <li>Each message is received into private memory, held against its row of the table in Request,
 *       and granted as a whole or not at all.
 *   <li>What is refused is answered by a non-zero acknowledgement where one was asked for. Where
 *       none was, the front-end is let go, since it would go on in error. Either way it is one line
 *       in the log, and the server is ready for the next.
 *   <li>Every descriptor that came is owned by one object, and closed with it; a file is mapped
 *       once and unmapped with the last region that lies in it.
 *   <li>No descriptor of the front-end's is read, and none is written but call and error eventfds.
 *       They are made non-blocking when they come; a front-end that undoes that and fills the
 *       counter holds up the device that it drives itself.
 *   <li>Memory is taken only where nobody can shrink it, unless the user trusts the front-end.
 * </ol>
 *
 * <p>Specification: QEMU's docs/interop/vhost-user.rst. What is offered of it, and where this
 * differs, is said in docs/adr/0027.
 */
package dev.virtiolab.virtio.vhostuser;
