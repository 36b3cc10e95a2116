package dev.virtiolab.pci.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PciAddressTest {

  @Test
  void anAddressReadsAsItPrints() {
    assertEquals(new PciAddress(0, 4, 0), PciAddress.parse("00:04.0"));
    assertEquals("00:04.0", new PciAddress(0, 4, 0).toString());
    assertEquals("ff:1f.7", PciAddress.parse("ff:1f.7").toString());
    assertEquals(new PciAddress(0, 0x1c, 0), PciAddress.parse("1c.0"));
  }

  @Test
  void everyRequesterIdIsOneAddress() {
    for (int id = 0; id <= 0xffff; id++) {
      assertEquals(id, PciAddress.ofRequesterId(id).requesterId());
    }
    assertEquals(0x0120, PciAddress.parse("01:04.0").requesterId());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "4", "00:04", "00:04.8", "100:00.0", "0000:00:04.0", "00:04.0 "})
  void whatIsNoAddressIsNamedInTheError(String text) {
    var error = assertThrows(IllegalArgumentException.class, () -> PciAddress.parse(text));
    assertEquals(true, error.getMessage().contains("'" + text + "'"));
  }

  @Test
  void aNumberOutOfItsRangeIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> PciAddress.parse("00:20.0"));
    assertThrows(IllegalArgumentException.class, () -> new PciAddress(256, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> new PciAddress(0, 0, 8));
    assertThrows(IllegalArgumentException.class, () -> new PciAddress(-1, 0, 0));
  }
}
