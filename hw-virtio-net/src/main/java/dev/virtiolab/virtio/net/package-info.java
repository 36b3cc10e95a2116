/**
 * The network device: its queues, and the wire behind them.
 *
 * <pre>
 *   driver ── transmit queue ──► Transmitter: claim, gather, commit; flush ──► NetBackend ──► wire
 *   driver ◄─ receive queue ◄─── Receiver: peek, filter, scatter, release ◄─── NetBackend ◄── wire
 *   driver ◄► control queue ◄──► ControlQueue: sets ReceiveFilter and QueuePairs, and answers
 * </pre>
 *
 * <p>The first two are a {@code QueuePair}, of which there are as many as there are wires: the
 * queues of one TAP. {@code QueuePairs} knows which of them are in use.
 *
 * <p>{@link dev.virtiolab.virtio.net.VirtioNet} owns no thread: each {@code poll} moves one bounded
 * batch in both directions on the thread that calls it. {@link dev.virtiolab.virtio.net.DeviceLoop}
 * is a thread that does nothing else, for all pairs of queues: a device is one event loop, as
 * docs/adr/0024-pairs-of-queues-and-one-loop.md says why.
 *
 * <p>What is left to do with a frame goes with it as a {@link dev.virtiolab.net.Offload}: to a wire
 * or a driver that does it, or else through {@link dev.virtiolab.virtio.offload.SoftwareOffload}.
 *
 * <p>What is unsupported, and why that is allowed: tunnels' offloads, hash reports, RSS, statistics
 * and coalescing are features that the device does not offer (virtio v1.4, 5.1.3), and so no driver
 * may use them. A frame that asks for an offload that was not negotiated is dropped and counted,
 * and so is one whose offload fields are not true of it.
 *
 * <p>Specification: virtio v1.4, 5.1 "Network Device".
 */
package dev.virtiolab.virtio.net;
