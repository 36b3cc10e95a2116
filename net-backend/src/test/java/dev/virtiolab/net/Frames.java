package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Frames in and out of a back end, as a device would move them. */
final class Frames {
  private Frames() {}

  /** A frame whose bytes all follow from its number. */
  static byte[] numbered(int number, int length) {
    byte[] frame = new byte[length];
    for (int i = 0; i < length; i++) {
      frame[i] = (byte) (number * 31 + i * 7);
    }
    return frame;
  }

  static void commit(NetBackend backend, byte[] frame) {
    assertTrue(backend.claim(frame.length));
    MemorySegment.copy(
        frame, 0, backend.claimed(), ValueLayout.JAVA_BYTE, backend.claimedOffset(), frame.length);
    backend.commit();
  }

  static void send(NetBackend backend, byte[] frame) {
    commit(backend, frame);
    backend.flush();
  }

  /** The frame that is there, without consuming it. */
  static byte[] look(NetBackend backend) {
    byte[] frame = new byte[backend.peek()];
    if (frame.length > 0) {
      MemorySegment.copy(
          backend.peeked(), ValueLayout.JAVA_BYTE, backend.peekedOffset(), frame, 0, frame.length);
    }
    return frame;
  }
}
