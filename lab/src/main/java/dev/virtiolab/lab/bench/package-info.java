/**
 * Measuring: frames pumped through the whole machine, from the Simple Network Protocol to the wire.
 *
 * <p>{@link dev.virtiolab.lab.bench.PacketRun} is one machine and its traffic. The thread that
 * makes it is the guest's CPU; it steps the device too, or leaves it to a thread of its own.
 */
package dev.virtiolab.lab.bench;
