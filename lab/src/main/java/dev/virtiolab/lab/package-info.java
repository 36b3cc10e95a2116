/** A whole machine: NIC, firmware, platform and wire. */
package dev.virtiolab.lab;
