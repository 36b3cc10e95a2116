/**
 * A whole machine: NIC, firmware, platform and wire.
 *
 * <p>{@link dev.virtiolab.lab.Mainboard} is the hardware with nobody running, {@link
 * dev.virtiolab.lab.Machine} the same with two threads, the device's loop and the guest's CPU;
 * {@link dev.virtiolab.lab.GuestMachine} is what it has in common with one whose device is another
 * program's, of package {@code qemu}; {@link dev.virtiolab.lab.TrafficReport} says what crossed.
 * Package {@code segment} puts a TAP behind it.
 */
package dev.virtiolab.lab;
