package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class SourceBackendTest {
  private static final byte[] DESTINATION = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
  private static final byte[] SOURCE = {2, 0, 0, 0, 0, 1};

  @Test
  void theNextFrameIsAlwaysThereAndBearsTheNextNumber() {
    try (SourceBackend wire = new SourceBackend(DESTINATION, SOURCE, 64)) {
      for (int number = 0; number < 1000; number++) {
        assertEquals(64, wire.peek());
        assertArrayEquals(frame(number), bytes(wire));
        assertEquals(64, wire.peek());
        assertArrayEquals(frame(number), bytes(wire));
        wire.release();
      }
      assertEquals(1000, wire.counters().framesIn());
      assertEquals(64_000, wire.counters().bytesIn());
    }
  }

  @Test
  void aFrameThatWasNotPeekedIsNotReleased() {
    try (SourceBackend wire = new SourceBackend(DESTINATION, SOURCE, 64)) {
      assertThrows(IllegalStateException.class, wire::release);
    }
  }

  @Test
  void whatIsSentEndsInTheSink() {
    try (SourceBackend wire = new SourceBackend(DESTINATION, SOURCE, 64)) {
      wire.claim(3);
      MemorySegment.copy(
          new byte[] {1, 2, 3}, 0, wire.claimed(), ValueLayout.JAVA_BYTE, wire.claimedOffset(), 3);
      wire.commit();
      assertArrayEquals(new byte[] {1, 2, 3}, wire.sink().recent(0));
    }
  }

  @Test
  void aFrameHasRoomForItsNumber() {
    new SourceBackend(DESTINATION, SOURCE, SourceBackend.MIN_FRAME).close();
    assertThrows(
        IllegalArgumentException.class,
        () -> new SourceBackend(DESTINATION, SOURCE, SourceBackend.MIN_FRAME - 1));
  }

  private static byte[] bytes(SourceBackend wire) {
    return wire.peeked().asSlice(wire.peekedOffset(), wire.peek()).toArray(ValueLayout.JAVA_BYTE);
  }

  private static byte[] frame(int number) {
    byte[] frame = new byte[64];
    System.arraycopy(DESTINATION, 0, frame, 0, 6);
    System.arraycopy(SOURCE, 0, frame, 6, 6);
    frame[12] = (byte) 0x88;
    frame[13] = (byte) 0xb5;
    frame[14] = (byte) number;
    frame[15] = (byte) (number >>> 8);
    return frame;
  }
}
