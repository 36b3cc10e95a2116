package dev.virtiolab.firmware.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Offsets, computed from the field sizes of the headers in the order that the figures show. */
class PciConfigLayoutTest {

  @Test
  void theTypeZeroHeaderIsAsInFigure61() {
    int at = 0;
    assertEquals(at, PciConfigLayout.VENDOR_ID);
    assertEquals(at += 2, PciConfigLayout.DEVICE_ID);
    assertEquals(at += 2, PciConfigLayout.COMMAND);
    assertEquals(at += 2, PciConfigLayout.STATUS);
    at += 2; // revision ID and class code: 4 bytes
    at += 4; // cache line size and latency timer: 2 bytes
    assertEquals(at += 2, PciConfigLayout.HEADER_TYPE);
    assertEquals(at += 2, PciConfigLayout.BASE_ADDRESS_0);
    at += 6 * 4; // CardBus CIS pointer and subsystem IDs: 8 bytes
    assertEquals(at += 8, PciConfigLayout.EXPANSION_ROM);
    assertEquals(at + 4, PciConfigLayout.CAPABILITIES_POINTER);
  }

  @Test
  void theTypeOneHeaderGoesOnAfterTwoBars() {
    int at = PciConfigLayout.BASE_ADDRESS_0 + 2 * 4;
    assertEquals(at, PciConfigLayout.BRIDGE_BUS_NUMBERS);
    assertEquals(at + 2, PciConfigLayout.BRIDGE_SUBORDINATE_BUS);
    assertEquals(at += 4, PciConfigLayout.BRIDGE_IO_WINDOW);
    at += 2; // secondary status: 2 bytes
    assertEquals(at += 2, PciConfigLayout.BRIDGE_MEMORY_WINDOW);
    assertEquals(at += 4, PciConfigLayout.BRIDGE_PREFETCHABLE_WINDOW);
    assertEquals(at += 4, PciConfigLayout.BRIDGE_PREFETCHABLE_BASE_UPPER);
    assertEquals(at += 4, PciConfigLayout.BRIDGE_PREFETCHABLE_LIMIT_UPPER);
    at += 4; // I/O base and limit upper halves: 4 bytes
    at += 4; // capabilities pointer and reserved: 4 bytes
    assertEquals(at, PciConfigLayout.CAPABILITIES_POINTER);
    assertEquals(at + 4, PciConfigLayout.BRIDGE_EXPANSION_ROM);
  }
}
