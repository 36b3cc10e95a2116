/**
 * The split virtqueue, device side. It knows no transport and no device type.
 *
 * <p>Specification: virtio v1.4 cs01, section 2.7 "Split Virtqueues". One thread owns a queue, the
 * device's; only {@link dev.virtiolab.virtio.queue.QueueCounters} may be read by others.
 *
 * <h2>A buffer's life</h2>
 *
 * <pre>
 *  descriptor table (driver writes)    available ring (driver writes)   used ring (device writes)
 *      addr     len  flags  next         flags                            flags
 *    +--------+----+------+----+         idx --------- 1  where the       idx --------- 5
 *  0 | header | 12 | NEXT |  2 |&lt;---+    ring            driver is      ring
 *    +--------+----+------+----+    |    +---+                            +----+-----+
 *  1 |  free                   |    +--- | 0 |  entry idx &amp; (size-1)      | id | len |  4
 *    +--------+----+------+----+    2    +---+                            +----+-----+
 *  2 | frame  | 60 |   0  |  - | 3       | 7 |  not yet shown             |  0 |   0 |
 *    +--------+----+------+----+         +---+                            +----+-----+
 *  3 |  free                   |         used_event                       avail_event
 *    +-------------------------+
 *
 *              availNext                   availSeen
 *                  v                           v
 *   ... used  |  available, not yet taken  |  the driver may fill
 * </pre>
 *
 * <ol>
 *   <li>The driver fills descriptors, puts the chain's head in the next entry of the available ring
 *       and moves {@code avail.idx}. {@link dev.virtiolab.virtio.queue.SplitQueue#next} loads the
 *       index by acquire, once for all the chains that it shows.
 *   <li>It reads the entry, checks the head and follows the chain. Each field is read once, into a
 *       {@link dev.virtiolab.virtio.queue.Chain} that is private to the device; the copy is checked
 *       and only the copy is used.
 *   <li>The device copies bytes out of the readable part with {@link
 *       dev.virtiolab.virtio.queue.SplitQueue#gather} and into the writable part with {@link
 *       dev.virtiolab.virtio.queue.SplitQueue#scatter}. If it cannot finish now, {@link
 *       dev.virtiolab.virtio.queue.SplitQueue#rewind} gives the chain back, and step 1 comes again.
 *       Chains that are to be seen together or not at all are {@linkplain
 *       dev.virtiolab.virtio.queue.SplitQueue#stage staged} one by one, and kept or taken back.
 *   <li>{@link dev.virtiolab.virtio.queue.SplitQueue#complete} writes the used element.
 *   <li>{@link dev.virtiolab.virtio.queue.SplitQueue#publish} moves {@code used.idx} over the whole
 *       batch with one release store, and says whether the driver wants an interrupt.
 *   <li>When the ring is empty and the device wants to sleep, {@link
 *       dev.virtiolab.virtio.queue.SplitQueue#enableKicks} asks for a kick and looks once more.
 * </ol>
 *
 * <p>Indices run free in 16 bits and are masked at use: {@link
 * dev.virtiolab.virtio.queue.RingIndex} argues why that is enough.
 *
 * <h2>Promises to a hostile driver</h2>
 *
 * <ol>
 *   <li>Nothing that it writes causes an exception or an allocation. What it may not do ends in
 *       {@link dev.virtiolab.virtio.queue.Outcome#BROKEN} with a {@link
 *       dev.virtiolab.virtio.queue.QueueError}, and the queue touches memory no more until it is
 *       reset.
 *   <li>A walk ends: each turn adds a part, of which there are no more than the queue's size, or
 *       enters an indirect table, which happens once.
 *   <li>Memory is reached only through windows that {@link dev.virtiolab.pci.memory.BusMemory}
 *       resolved, and lengths are checked before they are used.
 *   <li>The device's own indices are never read back from memory.
 * </ol>
 *
 * <h2>Assumptions</h2>
 *
 * <ul>
 *   <li>A {@link dev.virtiolab.pci.memory.DmaWindow} is native memory whose address equals the bus
 *       address modulo 4096, so that what is aligned on the bus is aligned in memory.
 *   <li>Mappings that change while an access is under way may be missed by that access, as on real
 *       hardware; the next call sees them.
 *   <li>A payload address that does not resolve is no broken queue: the device drops the frame and
 *       completes the chain. So does QEMU.
 *   <li>A function whose bus mastering is off waits ({@link
 *       dev.virtiolab.virtio.queue.Outcome#BLOCKED}); who sets the enable makes the device look
 *       again. If it is cleared between taking a chain and writing its used element, the element is
 *       lost and the queue breaks.
 * </ul>
 *
 * <h2>Unsupported</h2>
 *
 * <ul>
 *   <li>Legacy layout and byte order (2.7.2, 2.7.3): the device is modern only.
 *   <li>Chains of more buffers than the queue's size, which section 2.7.5.3.1 forbids, also where
 *       they lie in an indirect table; chains of more than 2^31 - 1 bytes, where section 2.7.4 lets
 *       devices have limits.
 * </ul>
 */
package dev.virtiolab.virtio.queue;
