package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The 16-bit indices where they wrap. */
class WrapTest {

  @Test
  void batchesCrossTheWrapAtEveryOffset() {
    for (int start = 0xFFF0; start <= 0xFFFF; start++) {
      Bench bench = new Bench(8, true, start);
      for (int round = 0; round < 12; round++) {
        int batch = 1 + round % 8;
        move(bench, batch);
      }
      assertTrue(bench.queue.usedIndex() < 0x100, "it has wrapped");
      assertEquals(bench.queue.usedIndex(), bench.driver.usedIdx());
    }
  }

  @Test
  void theInterruptIsWantedExactlyWhereTheEventLiesInTheBatch() {
    for (int start : new int[] {0, 0x7FFC, 0xFFFA, 0xFFFC, 0xFFFF}) {
      for (int batch = 1; batch <= 8; batch++) {
        for (int event = -3; event <= batch + 2; event++) {
          Bench bench = new Bench(8, true, start);
          bench.driver.rawUsedEvent(start + event);
          complete(bench, batch);
          assertEquals(
              event >= 0 && event < batch,
              bench.queue.publish(),
              "start=" + start + " batch=" + batch + " event=" + event);
        }
      }
    }
  }

  @Test
  void theKickIsAskedForAtTheNextChainAlsoAcrossTheWrap() {
    for (int start : new int[] {0xFFFE, 0xFFFF, 0}) {
      Bench bench = new Bench(8, true, start);
      for (int i = 0; i < 4; i++) {
        assertFalse(bench.queue.enableKicks());
        assertEquals((start + i) & 0xFFFF, bench.driver.availEvent());
        bench.driver.begin().writable(Bench.BUFFERS, 8).offer();
        assertTrue(bench.driver.publish());
        assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
        bench.queue.complete(bench.chain, 8);
        bench.queue.publish();
        assertTrue(bench.driver.poll());
      }
    }
  }

  @Test
  void aChainIsGivenBackAcrossTheWrap() {
    Bench bench = new Bench(8, true, 0xFFFF);
    bench.driver.begin().writable(Bench.BUFFERS, 8).offer();
    bench.driver.publish();
    bench.queue.next(bench.chain);
    assertEquals(0, bench.queue.availIndex());
    bench.queue.rewind(bench.chain);
    assertEquals(0xFFFF, bench.queue.availIndex());
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
  }

  @Test
  void aJumpIsSeenAcrossTheWrap() {
    Bench bench = new Bench(8, true, 0xFFFC);
    bench.driver.rawAvailIdx(0xFFFC + 8);
    assertEquals(Outcome.CHAIN, probe(bench));
    bench.start(0xFFFC);
    bench.driver.rawAvailIdx(0xFFFC + 9);
    assertEquals(Outcome.BROKEN, probe(bench));
    bench.start(0xFFFC);
    bench.driver.rawAvailIdx(0xFFFC - 1);
    assertEquals(Outcome.BROKEN, probe(bench));
    assertEquals(QueueError.AVAIL_JUMP, bench.queue.error());
  }

  @Test
  void theLargestQueueFillsAndEmptiesOverTwoWraps() {
    // Three laps of 32768 from 32767 on: the full ring differs from the empty one by 0x8000.
    Bench bench = new Bench(SplitQueueLayout.MAX_SIZE, true, 32767);
    int size = SplitQueueLayout.MAX_SIZE;
    for (int lap = 0; lap < 3; lap++) {
      move(bench, size);
    }
    assertEquals((32767 + 3 * size) & 0xFFFF, bench.queue.usedIndex());
  }

  private static Outcome probe(Bench bench) {
    bench.driver.rawDescriptor(0, Bench.BUFFERS, 8, 2, 0);
    return bench.queue.next(bench.chain);
  }

  private static void move(Bench bench, int batch) {
    complete(bench, batch);
    assertEquals(Outcome.EMPTY, bench.queue.next(bench.chain));
    bench.queue.publish();
    for (int i = 0; i < batch; i++) {
      assertTrue(bench.driver.poll());
      assertEquals(1 + i % 8, bench.driver.usedLength());
    }
    assertFalse(bench.driver.poll());
  }

  private static void complete(Bench bench, int batch) {
    for (int i = 0; i < batch; i++) {
      bench.driver.begin().writable(Bench.BUFFERS, 8).offer();
    }
    bench.driver.publish();
    for (int i = 0; i < batch; i++) {
      assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
      bench.queue.complete(bench.chain, 1 + i % 8);
    }
  }
}
