package dev.virtiolab.firmware.stack.tcp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

/** Every field against segments written out byte by byte, checksums added up by hand. */
class TcpLayoutTest {
  private static final int SOURCE = 0x0a000001;
  private static final int DESTINATION = 0x0a000002;

  /** A SYN,ACK: MSS 1460, NOP, window scale 7; and a segment with data. */
  private static final byte[] SYN_ACK =
      hex(
          """
          0fa0 0050 11223344 55667788
          70 12 fedc 4fe4 0000
          0204 05b4 01 03 03 07
          """);

  private static final byte[] DATA =
      hex(
          """
          0fa0 0050 11223344 55667788
          50 19 0100 f53e 0000
          414243
          """);

  private static byte[] hex(String text) {
    return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
  }

  @Test
  void synReads() {
    TcpSegment segment = new TcpSegment();
    assertTrue(
        segment.wrap(MemorySegment.ofArray(SYN_ACK), 0, SYN_ACK.length, SOURCE, DESTINATION));
    assertEquals(4000, segment.sourcePort());
    assertEquals(80, segment.destinationPort());
    assertEquals(0x11223344, segment.sequence());
    assertEquals(0x55667788, segment.acknowledgment());
    assertEquals(0xfedc, segment.window());
    assertTrue(segment.isSyn() && segment.isAck() && !segment.isFin() && !segment.isRst());
    assertEquals(1460, segment.maximumSegmentSize());
    assertEquals(7, segment.windowScale());
    assertEquals(0, segment.dataLength());
    assertEquals(1, segment.sequenceLength());
  }

  @Test
  void dataAndFinRead() {
    TcpSegment segment = new TcpSegment();
    byte[] shifted = new byte[DATA.length + 5];
    System.arraycopy(DATA, 0, shifted, 5, DATA.length);
    MemorySegment bytes = MemorySegment.ofArray(shifted);
    assertTrue(segment.wrap(bytes, 5, DATA.length, SOURCE, DESTINATION));
    assertTrue(segment.isFin());
    assertEquals(25, segment.dataOffset());
    assertEquals(3, segment.dataLength());
    assertEquals(4, segment.sequenceLength());
    assertEquals(TcpSegment.NO_SCALE, segment.windowScale());
    // The addresses are summed, too.
    assertFalse(segment.wrap(bytes, 5, DATA.length, SOURCE + 1, DESTINATION));
  }

  @Test
  void bothWriteAsTheyRead() {
    byte[] syn = new byte[SYN_ACK.length];
    MemorySegment made = MemorySegment.ofArray(syn);
    assertEquals(8, TcpSegment.putSynOptions(made, 1460, 7));
    TcpSegment.put(made, 8, 0, 4000, 80, 0x11223344, 0x55667788, 0x12, 0xfedc, SOURCE, DESTINATION);
    assertArrayEquals(SYN_ACK, syn);

    byte[] data = new byte[DATA.length];
    System.arraycopy(DATA, 20, data, 20, 3);
    made = MemorySegment.ofArray(data);
    TcpSegment.put(made, 0, 3, 4000, 80, 0x11223344, 0x55667788, 0x19, 0x100, SOURCE, DESTINATION);
    assertArrayEquals(DATA, data);
  }

  @Test
  void noHeaderLooksPastTheEnd() {
    TcpSegment segment = new TcpSegment();
    MemorySegment bytes = MemorySegment.ofArray(SYN_ACK);
    for (int length = 0; length < SYN_ACK.length; length++) {
      assertFalse(segment.wrap(bytes, 0, length, SOURCE, DESTINATION), "length " + length);
    }
  }

  @Test
  void sequenceNumbersCompareAcrossTheWrap() {
    assertTrue(Sequence.before(-1, 0));
    assertTrue(Sequence.after(5, -5));
    assertTrue(Sequence.before(Integer.MAX_VALUE, Integer.MIN_VALUE));
    assertEquals(3, Sequence.max(-3, 3));
    assertEquals(-3, Sequence.min(-3, 3));
    assertFalse(Sequence.before(7, 7) || Sequence.after(7, 7));
  }
}
