/**
 * What drivers of the UEFI driver model have in common (UEFI Specification 2.10, chapter 11).
 *
 * <p>All calls come from the firmware's one thread.
 */
package dev.virtiolab.firmware.driver;
