/**
 * Faults on the wire, by order: loss, delay, jitter, duplication, reordering, corruption, a rate
 * limit, a pulled cable and a partition, each way for itself, and changed while traffic runs.
 *
 * <pre>
 *                number     judge            delay line            order
 *   commit() --&gt; 1,2,3 --&gt; lost? flipped? --&gt; due, due, due --&gt; inner.claim, commit, flush
 *   peek()  &lt;-- order  &lt;-- due, due, due  &lt;-- lost? flipped? &lt;-- 1,2,3 &lt;-- inner.peek, release
 * </pre>
 *
 * <p><b>Replay.</b> Frames are numbered from 1, each way, in the order in which they come. What
 * befalls a frame follows from the seed, its direction, its number, the kind of fault and the
 * {@linkplain dev.virtiolab.net.fault.FaultRules rules} of the moment, and from nothing else: not
 * from what befell the frame before it, nor from which other faults are on. Where the clock and the
 * order of calls are the same, so is everything; the {@linkplain
 * dev.virtiolab.net.fault.FaultJournal journal} names every frame that something befell.
 *
 * <p><b>Threads.</b> {@link dev.virtiolab.net.fault.FaultyBackend} is owned by the device's thread
 * as any back end; rules, link, counters and journal are anybody's. What is under way is moved by
 * the device's thread alone. Where time is the host's, a thread named {@code fault-alarm} says when
 * something is due: it is started when a frame first has to wait, does nothing but call who set
 * {@code onReady}, and ends in {@code close()}. Where the clock is a test's there is no thread:
 * whoever moves the clock polls the device, or calls {@code tick()}.
 */
package dev.virtiolab.net.fault;
