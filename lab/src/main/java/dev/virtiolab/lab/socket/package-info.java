/**
 * Sockets of the guest, for programs outside its thread: a test connects, listens, reads and writes
 * as with java.net, and its errors are java.net's.
 *
 * <pre>{@code
 * a test's thread                          the guest's thread
 * GuestSocket.input().read() --GuestDoor--> after every turn: TcpConnection.receive()
 *           waits            <---------------- once it gives something
 * }</pre>
 *
 * <p>Any thread may call; each call blocks until its deadline at most, and rings the guest's
 * doorbell, so that a guest that waits for a frame ends its turn. The sockets are the firmware's:
 * {@link dev.virtiolab.firmware.stack.tcp} and {@link dev.virtiolab.firmware.stack.udp}.
 */
package dev.virtiolab.lab.socket;
