package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.posix.Poll;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class ScriptedBackendTest {
  private static final byte[] FRAME = {1, 2, 3, 4};

  @Test
  void committedFrameCountsAsSentOnceFlushed() {
    try (ScriptedBackend wire = new ScriptedBackend()) {
      send(wire, (byte) 9);
      assertEquals(0, wire.sentCount());
      assertEquals(1, wire.unflushed());
      wire.flush();
      assertArrayEquals(new byte[] {9}, wire.sent().getFirst());
      assertEquals(1, wire.flushes());
      assertEquals(1, wire.lastBatch());
    }
  }

  @Test
  void deliveredFrameIsPeekedUntilReleased() {
    AtomicInteger wakes = new AtomicInteger();
    try (ScriptedBackend wire = new ScriptedBackend()) {
      wire.onReady(wakes::incrementAndGet);
      wire.deliver(FRAME);
      assertEquals(1, wakes.get());
      assertEquals(4, wire.peek());
      assertEquals(4, wire.peek());
      byte[] seen =
          wire.peeked().asSlice(wire.peekedOffset(), wire.peek()).toArray(ValueLayout.JAVA_BYTE);
      assertArrayEquals(FRAME, seen);
      wire.release();
      assertEquals(0, wire.peek());
    }
  }

  @Test
  void refusesAsManyClaimsAsToldAndSaysWhenThereIsRoom() {
    AtomicInteger wakes = new AtomicInteger();
    try (ScriptedBackend wire = new ScriptedBackend()) {
      wire.onReady(wakes::incrementAndGet);
      wire.refuse(2);
      assertFalse(wire.claim(1));
      assertFalse(wire.claim(1));
      assertTrue(wire.claim(1));
      wire.abort();
      wire.refuseAll();
      assertFalse(wire.claim(1));
      wire.makeRoom();
      assertEquals(1, wakes.get());
      assertTrue(wire.claim(1));
      assertEquals(3, wire.counters().refused());
    }
  }

  @Test
  void descriptorIsReadableWhileAFrameWaits() {
    try (ScriptedBackend wire = ScriptedBackend.withReadableFd();
        Poll poll = new Poll(1)) {
      poll.add(wire.readableFd());
      assertEquals(0, poll.await(0));
      wire.deliver(FRAME);
      assertEquals(1, poll.await(0));
      wire.peek();
      wire.release();
      assertEquals(0, wire.peek());
      assertEquals(0, poll.await(0));
    }
  }

  @Test
  void forbiddenCallsAreLoud() {
    try (ScriptedBackend wire = new ScriptedBackend(64)) {
      assertThrows(IllegalStateException.class, wire::commit);
      assertThrows(IllegalStateException.class, wire::release);
      assertThrows(IllegalStateException.class, () -> wire.claim(65));
      assertTrue(wire.claim(64));
      assertThrows(IllegalStateException.class, () -> wire.claim(1));
      assertThrows(IllegalStateException.class, wire::flush);
    }
  }

  @Test
  void linkChangeIsAnnounced() {
    AtomicInteger wakes = new AtomicInteger();
    try (ScriptedBackend wire = new ScriptedBackend()) {
      wire.onReady(wakes::incrementAndGet);
      assertTrue(wire.linkUp());
      wire.link(false);
      assertFalse(wire.linkUp());
      assertEquals(1, wakes.get());
    }
  }

  private static void send(NetBackend wire, byte value) {
    assertTrue(wire.claim(1));
    wire.claimed().set(ValueLayout.JAVA_BYTE, wire.claimedOffset(), value);
    wire.commit();
  }
}
