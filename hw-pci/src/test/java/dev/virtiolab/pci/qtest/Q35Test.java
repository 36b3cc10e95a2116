package dev.virtiolab.pci.qtest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.cpu.CpuBus;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A q35's host bridge by ports CF8h and CFCh. */
class Q35Test {

  /** Configuration registers of 00:00.0, by offset, as ports show them. */
  private static final class Ports implements CpuBus {
    final Map<Integer, Integer> registers = new HashMap<>(Map.of(0, 0x29c0_8086));
    boolean forgets;
    private int address;

    @Override
    public long mmioRead(long at, int width) {
      throw new AssertionError("ECAM is not there yet");
    }

    @Override
    public void mmioWrite(long at, int width, long value) {
      throw new AssertionError("ECAM is not there yet");
    }

    @Override
    public int portRead(int port, int width) {
      assertEquals(0xcfc, port);
      assertEquals(4, width);
      return registers.getOrDefault(address, 0);
    }

    @Override
    public void portWrite(int port, int width, int value) {
      assertEquals(4, width);
      if (port == 0xcf8) {
        assertEquals(0x8000_0000, value & 0xffff_ff00, "00:00.0, and enabled");
        address = value & 0xff;
      } else if (!forgets) {
        assertEquals(0xcfc, port);
        registers.put(address, value);
      }
    }
  }

  @Test
  void ecamIsDecodedWhereOurOwnBoardHasIt() {
    Ports ports = new Ports();
    Q35.decodeEcam(ports);
    assertEquals(0xb000_0001, ports.registers.get(0x60));
    assertEquals(0, ports.registers.get(0x64));
  }

  @Test
  void anotherBridgeIsLeftAlone() {
    Ports ports = new Ports();
    ports.registers.put(0, 0x1237_8086);
    QtestException refused = assertThrows(QtestException.class, () -> Q35.decodeEcam(ports));
    assertTrue(refused.getMessage().contains("12378086"), refused::getMessage);
    assertEquals(Map.of(0, 0x1237_8086), ports.registers);
  }

  @Test
  void aBridgeThatDoesNotKeepItIsRefused() {
    Ports ports = new Ports();
    ports.forgets = true;
    QtestException refused = assertThrows(QtestException.class, () -> Q35.decodeEcam(ports));
    assertTrue(refused.getMessage().contains("00000000"), refused::getMessage);
  }
}
