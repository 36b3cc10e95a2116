package dev.virtiolab.pci.config;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** The offsets, against the headers written down once more as structures. */
class LayoutTest {
  private static final GroupLayout TYPE_0 =
      MemoryLayout.structLayout(
          u16("vendor"),
          u16("device"),
          u16("command"),
          u16("status"),
          u8("revision"),
          bytes("class", 3),
          u8("line"),
          u8("latency"),
          u8("type"),
          u8("bist"),
          bytes("bars", 24),
          u32("cis"),
          u16("subvendor"),
          u16("subsystem"),
          u32("rom"),
          u8("capabilities"),
          bytes("reserved", 7),
          u8("irq"),
          u8("pin"),
          u8("grant"),
          u8("max"));

  private static final GroupLayout TYPE_1 =
      MemoryLayout.structLayout(
          bytes("common", 0x10),
          bytes("bars", 8),
          u8("primary"),
          u8("secondary"),
          u8("subordinate"),
          u8("timer"),
          u8("iobase"),
          u8("iolimit"),
          u16("status"),
          u16("base"),
          u16("limit"),
          u16("pbase"),
          u16("plimit"),
          u32("pbaseup"),
          u32("plimitup"),
          u16("iobaseup"),
          u16("iolimitup"),
          u8("capabilities"),
          bytes("reserved", 3),
          u32("rom"),
          u8("irq"),
          u8("pin"),
          u16("control"));

  private static MemoryLayout u8(String name) {
    return ValueLayout.JAVA_BYTE.withName(name);
  }

  private static MemoryLayout u16(String name) {
    return ValueLayout.JAVA_SHORT.withName(name);
  }

  private static MemoryLayout u32(String name) {
    return ValueLayout.JAVA_INT.withName(name);
  }

  private static MemoryLayout bytes(String name, int count) {
    return MemoryLayout.sequenceLayout(count, ValueLayout.JAVA_BYTE).withName(name);
  }

  private static void at(int offset, GroupLayout layout, String field) {
    assertEquals(layout.byteOffset(PathElement.groupElement(field)), offset, field);
  }

  @Test
  void everyHeaderFieldOfAnEndpointIsWhereTheSpecificationPutsIt() {
    assertEquals(HeaderLayout.HEADER_END, TYPE_0.byteSize());
    at(HeaderLayout.VENDOR_ID, TYPE_0, "vendor");
    at(HeaderLayout.DEVICE_ID, TYPE_0, "device");
    at(HeaderLayout.COMMAND, TYPE_0, "command");
    at(HeaderLayout.STATUS, TYPE_0, "status");
    at(HeaderLayout.REVISION_ID, TYPE_0, "revision");
    at(HeaderLayout.CLASS_CODE, TYPE_0, "class");
    at(HeaderLayout.CACHE_LINE_SIZE, TYPE_0, "line");
    at(HeaderLayout.LATENCY_TIMER, TYPE_0, "latency");
    at(HeaderLayout.HEADER_TYPE, TYPE_0, "type");
    at(HeaderLayout.BIST, TYPE_0, "bist");
    at(HeaderLayout.BASE_ADDRESS, TYPE_0, "bars");
    at(Type0Layout.SUBSYSTEM_VENDOR_ID, TYPE_0, "subvendor");
    at(Type0Layout.SUBSYSTEM_ID, TYPE_0, "subsystem");
    at(Type0Layout.EXPANSION_ROM, TYPE_0, "rom");
    at(HeaderLayout.CAPABILITIES_POINTER, TYPE_0, "capabilities");
    at(HeaderLayout.INTERRUPT_LINE, TYPE_0, "irq");
    at(HeaderLayout.INTERRUPT_PIN, TYPE_0, "pin");
    at(Type0Layout.MIN_GRANT, TYPE_0, "grant");
    at(Type0Layout.MAX_LATENCY, TYPE_0, "max");
  }

  @Test
  void everyHeaderFieldOfABridgeIsWhereTheSpecificationPutsIt() {
    assertEquals(HeaderLayout.HEADER_END, TYPE_1.byteSize());
    at(HeaderLayout.BASE_ADDRESS, TYPE_1, "bars");
    at(Type1Layout.PRIMARY_BUS, TYPE_1, "primary");
    at(Type1Layout.SECONDARY_BUS, TYPE_1, "secondary");
    at(Type1Layout.SUBORDINATE_BUS, TYPE_1, "subordinate");
    at(Type1Layout.SECONDARY_STATUS, TYPE_1, "status");
    at(Type1Layout.MEMORY_BASE, TYPE_1, "base");
    at(Type1Layout.MEMORY_LIMIT, TYPE_1, "limit");
    at(Type1Layout.PREFETCHABLE_BASE, TYPE_1, "pbase");
    at(Type1Layout.PREFETCHABLE_LIMIT, TYPE_1, "plimit");
    at(Type1Layout.PREFETCHABLE_BASE_UPPER, TYPE_1, "pbaseup");
    at(Type1Layout.PREFETCHABLE_LIMIT_UPPER, TYPE_1, "plimitup");
    at(HeaderLayout.CAPABILITIES_POINTER, TYPE_1, "capabilities");
    at(HeaderLayout.INTERRUPT_LINE, TYPE_1, "irq");
    at(HeaderLayout.INTERRUPT_PIN, TYPE_1, "pin");
    at(Type1Layout.BRIDGE_CONTROL, TYPE_1, "control");
  }
}
