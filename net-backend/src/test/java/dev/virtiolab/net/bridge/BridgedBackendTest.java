package dev.virtiolab.net.bridge;

import static dev.virtiolab.net.bridge.Ethernet.BROADCAST;
import static dev.virtiolab.net.bridge.Ethernet.frame;
import static dev.virtiolab.net.bridge.Ethernet.station;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class BridgedBackendTest {
  private final ScriptedBackend one = new ScriptedBackend(9000);
  private final ScriptedBackend two = new ScriptedBackend(1514);
  private final Semaphore awake = new Semaphore(0);

  private static void await(java.util.function.BooleanSupplier condition, String otherwise) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(30), otherwise);
      Thread.onSpinWait();
    }
  }

  @Test
  void nicSpeaksWithEveryPortAndIsWokenByThem() throws InterruptedException {
    try (BridgedBackend nic = BridgedBackend.join(List.of(one, two))) {
      nic.onReady(awake::release);
      assertEquals(9000, nic.maxFrameLength());
      assertTrue(nic.linkUp());
      byte[] hello = frame(BROADCAST, station(1), 1);
      assertTrue(nic.claim(hello.length));
      MemorySegment.copy(
          hello, 0, nic.claimed(), ValueLayout.JAVA_BYTE, nic.claimedOffset(), hello.length);
      nic.commit();
      nic.flush();
      await(() -> one.sentCount() == 1 && two.sentCount() == 1, "not flooded");

      byte[] answer = frame(station(1), station(2), 2);
      assertEquals(0, nic.peek());
      two.deliver(answer);
      assertTrue(awake.tryAcquire(30, TimeUnit.SECONDS), "the NIC is not woken");
      await(() -> nic.peek() == answer.length, "no answer");
      byte[] arrived = new byte[answer.length];
      MemorySegment.copy(
          nic.peeked(), ValueLayout.JAVA_BYTE, nic.peekedOffset(), arrived, 0, arrived.length);
      assertArrayEquals(answer, arrived);
      nic.release();
      assertEquals(1, one.sentCount());
      assertEquals(1, nic.bridge().counters(2).relayed());
    }
  }

  @Test
  void closingStopsTheSwitchAndClosesEveryPort() {
    BridgedBackend nic = BridgedBackend.join(List.of(one, two));
    nic.close();
    nic.close();
    assertFalse(nic.linkUp());
    assertTrue(one.isClosed() && two.isClosed());
  }

  @Test
  void linkGoesDownWithTheSwitch() {
    BridgedBackend nic = BridgedBackend.join(List.of(one));
    await(nic::linkUp, "never up");
    one.close(); // behind the switch's back: a bug, of which its loop dies
    one.link(false);
    await(() -> !nic.linkUp(), "the link stays up");
    assertThrows(IllegalStateException.class, nic::close);
  }

  @Test
  void switchWithoutOtherPortsIsRefused() {
    assertThrows(NoSuchElementException.class, () -> BridgedBackend.join(List.of()));
  }
}
