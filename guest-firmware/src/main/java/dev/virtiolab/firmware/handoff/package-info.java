/**
 * What the board tells the firmware before its first instruction: where RAM is, where the firmware
 * itself lies, and which addresses are PCI's.
 *
 * <p>The lab writes it into guest memory before launch, where it is measured; the firmware reads it
 * once, at start. Both ends of the format are here, so that there is one statement of it. No thread
 * of its own.
 */
package dev.virtiolab.firmware.handoff;
