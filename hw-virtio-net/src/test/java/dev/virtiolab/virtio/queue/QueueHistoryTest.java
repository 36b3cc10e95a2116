package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Random histories of a driver that behaves, played to the queue and to a model that is slow and
 * obvious: lists of chains, and counts that never wrap.
 */
class QueueHistoryTest {
  private static final int HISTORIES = 1500;
  private static final int STEPS = 200;

  private record Part(long address, int length, boolean writable) {}

  private record Offer(int head, List<Part> parts) {}

  private record Taken(Chain chain, Offer offer) {}

  private record Used(int head, int written) {}

  @Test
  void theQueueAndTheModelCannotBeToldApart() {
    SplittableRandom random = Seed.random("QueueHistoryTest");
    for (int i = 0; i < HISTORIES; i++) {
      long seed = random.nextLong();
      try {
        new History(new SplittableRandom(seed)).run();
      } catch (Throwable e) {
        throw new AssertionError("history " + i + " of -Dvirtiolab.seed=" + Seed.VALUE, e);
      }
    }
  }

  private static final class History {
    private final SplittableRandom random;
    private final Bench bench;
    private final int size;
    private final int start;

    // The model. Counts are of chains since the start and do not wrap.
    private final List<Offer> offered = new ArrayList<>();
    private final Deque<Offer> available = new ArrayDeque<>();
    private final List<Taken> taken = new ArrayList<>();
    private final List<Used> completed = new ArrayList<>();
    private final Deque<Used> visible = new ArrayDeque<>();
    private long availCount;
    private long usedCount;
    private long seenCount;
    private long takenCount;
    private boolean interruptsOff;
    private long usedEvent;
    private boolean kicksOff;
    private long availEvent;

    History(SplittableRandom random) {
      this.random = random;
      size = 1 << random.nextInt(1, 6);
      start = random.nextBoolean() ? 0x10000 - random.nextInt(1, 40) : random.nextInt(0x10000);
      bench = new Bench(size, random.nextBoolean(), start);
      if (random.nextInt(3) == 0) {
        bench.bus.scatter();
      }
      if (bench.eventIdx) {
        // What zeroed event fields mean, relative to where this history starts.
        usedEvent = (0x10000 - start) & 0xFFFF;
        availEvent = usedEvent;
      }
    }

    void run() {
      for (int step = 0; step < STEPS; step++) {
        switch (random.nextInt(10)) {
          case 0, 1, 2 -> add();
          case 3 -> show();
          case 4, 5 -> take();
          case 6 -> giveBack();
          case 7 -> complete();
          case 8 -> publish();
          default -> driverSide();
        }
      }
    }

    private void add() {
      int want = random.nextInt(1, 5);
      boolean indirect = bench.driver.free() > 0 && random.nextInt(3) == 0;
      int parts = Math.min(want, size);
      if (!indirect && bench.driver.free() < parts) {
        return;
      }
      if (indirect) {
        // A table of its own for each head that can be in flight.
        int slot = (int) ((availCount + offered.size()) % size);
        bench.driver.beginIndirect(Bench.BUFFERS + 0x8000 + slot * 100L + random.nextInt(16));
      } else {
        bench.driver.begin();
      }
      int readable = random.nextInt(parts + 1);
      List<Part> list = new ArrayList<>();
      for (int i = 0; i < parts; i++) {
        Part part =
            new Part(
                Bench.BUFFERS + random.nextInt(0x4000), random.nextInt(1, 2000), i >= readable);
        list.add(part);
        if (part.writable) {
          bench.driver.writable(part.address, part.length);
        } else {
          bench.driver.readable(part.address, part.length);
        }
      }
      offered.add(new Offer(bench.driver.offer(), list));
    }

    private void show() {
      boolean expected =
          bench.eventIdx ? between(availEvent, availCount, availCount + offered.size()) : !kicksOff;
      available.addAll(offered);
      availCount += offered.size();
      offered.clear();
      assertEquals(expected, bench.driver.publish(), "kick");
    }

    private void take() {
      Chain chain = new Chain(256);
      Outcome outcome = bench.queue.next(chain);
      if (available.isEmpty()) {
        assertEquals(Outcome.EMPTY, outcome);
        return;
      }
      assertEquals(Outcome.CHAIN, outcome);
      Offer offer = available.poll();
      takenCount++;
      taken.add(new Taken(chain, offer));
      assertEquals(offer.head, chain.head());
      assertEquals(offer.parts.size(), chain.parts());
      for (int i = 0; i < chain.parts(); i++) {
        Part part = offer.parts.get(i);
        assertEquals(part.address, chain.address(i));
        assertEquals(part.length, chain.length(i));
        assertEquals(part.writable, i >= chain.readableParts());
      }
      assertEquals(bytes(offer, false), chain.readableBytes());
      assertEquals(bytes(offer, true), chain.writableBytes());
      assertEquals((start + takenCount) & 0xFFFF, bench.queue.availIndex());
    }

    private void giveBack() {
      // Only the chain that was taken last, and only if it is still held.
      if (!taken.isEmpty()) {
        Taken last = taken.getLast();
        if (RingIndex.plus(last.chain.index(), 1) == bench.queue.availIndex()) {
          taken.removeLast();
          bench.queue.rewind(last.chain);
          available.addFirst(last.offer);
          takenCount--;
        }
      }
    }

    private void complete() {
      if (taken.isEmpty()) {
        return;
      }
      Taken one = taken.remove(random.nextInt(taken.size()));
      int written = random.nextInt(one.chain.writableBytes() + 1);
      bench.queue.complete(one.chain, written);
      completed.add(new Used(one.offer.head, written));
    }

    private void publish() {
      boolean expected =
          !completed.isEmpty()
              && (bench.eventIdx
                  ? between(usedEvent, usedCount, usedCount + completed.size())
                  : !interruptsOff);
      visible.addAll(completed);
      usedCount += completed.size();
      completed.clear();
      assertEquals(expected, bench.queue.publish(), "interrupt");
      assertEquals((start + usedCount) & 0xFFFF, bench.driver.usedIdx());
    }

    private void driverSide() {
      switch (random.nextInt(5)) {
        case 0 -> {
          bench.driver.disableInterrupts();
          interruptsOff = true;
          usedEvent = seenCount - 0x8000;
        }
        case 1 -> {
          assertEquals(!visible.isEmpty(), bench.driver.enableInterrupts());
          interruptsOff = false;
          usedEvent = seenCount;
        }
        case 2 -> {
          bench.queue.disableKicks();
          kicksOff = true;
        }
        case 3 -> {
          assertEquals(!available.isEmpty(), bench.queue.enableKicks());
          kicksOff = false;
          availEvent = takenCount;
        }
        default -> {
          while (!visible.isEmpty()) {
            Used used = visible.poll();
            assertTrue(bench.driver.poll());
            assertEquals(used.head, bench.driver.usedId());
            assertEquals(used.written, bench.driver.usedLength());
            seenCount++;
          }
          assertFalse(bench.driver.poll());
        }
      }
    }

    private static boolean between(long event, long from, long to) {
      for (long entry = from; entry < to; entry++) {
        if (((entry - event) & 0xFFFF) == 0) {
          return true;
        }
      }
      return false;
    }

    private static int bytes(Offer offer, boolean writable) {
      return offer.parts.stream()
          .filter(part -> part.writable == writable)
          .mapToInt(Part::length)
          .sum();
    }
  }
}
