package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class SinkBackendTest {
  @Test
  void remembersTheLastFramesByteForByte() {
    try (SinkBackend sink = new SinkBackend(4, 256)) {
      assertNull(sink.recent(0));
      for (int i = 0; i < 10; i++) {
        Frames.commit(sink, Frames.numbered(i, 60 + i));
      }
      for (int age = 0; age < 4; age++) {
        assertArrayEquals(Frames.numbered(9 - age, 69 - age), sink.recent(age));
      }
      assertNull(sink.recent(4));
      assertNull(sink.recent(-1));
      assertEquals(10, sink.counters().framesOut());
    }
  }

  @Test
  void abortedFrameIsNotRemembered() {
    try (SinkBackend sink = new SinkBackend(4, 256)) {
      Frames.commit(sink, Frames.numbered(1, 60));
      assertTrue(sink.claim(10));
      sink.abort();
      assertArrayEquals(Frames.numbered(1, 60), sink.recent(0));
      assertNull(sink.recent(1));
    }
  }

  @Test
  void ringIsAPowerOfTwo() {
    assertThrows(IllegalArgumentException.class, () -> new SinkBackend(6, 256));
  }

  @Test
  void nothingIsAllocatedPerFrame() {
    try (SinkBackend sink = new SinkBackend()) {
      long bytes = Allocation.bytesOf(5, () -> fill(sink, 20_000));
      assertTrue(bytes < 2_000, bytes + " bytes for 20000 frames");
    }
  }

  private static void fill(NetBackend sink, int frames) {
    for (int i = 0; i < frames; i++) {
      sink.claim(64);
      sink.claimed().set(ValueLayout.JAVA_LONG_UNALIGNED, sink.claimedOffset(), i);
      sink.commit();
      sink.flush();
      sink.peek();
    }
  }
}
