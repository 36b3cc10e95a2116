/**
 * Measuring: frames pumped through the whole machine, from the Simple Network Protocol to the wire.
 *
 * <p>{@link dev.virtiolab.lab.bench.PacketRun} is one machine and its traffic. The thread that
 * makes it is the guest's CPU; it steps the device too, or leaves it to a thread of its own. {@link
 * dev.virtiolab.lab.bench.PpsSuite} measures one {@link dev.virtiolab.lab.bench.BenchCase} after
 * the other with it, and {@link dev.virtiolab.lab.bench.BenchReport} is what comes of that, for a
 * program to read; {@code bench.html} makes the page for a person. The frame sizes are those of RFC
 * 2544, section 9.1.
 */
package dev.virtiolab.lab.bench;
