package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.fixture.MockBus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A queue that goes on where a device before it ended, tells what it does, and can be kept waiting.
 */
class QueueResumeTest {
  private static final long BUFFERS = Bench.BASE + 0x8000;

  /** Every step, as a word. */
  private static final class Words implements QueueJournal {
    final List<String> steps = new ArrayList<>();
    final List<String> writes = new ArrayList<>();

    @Override
    public void taken(int head) {
      steps.add("taken " + head);
    }

    @Override
    public void givenBack(int head) {
      steps.add("back " + head);
    }

    @Override
    public void used(int head) {
      steps.add("used " + head);
    }

    @Override
    public void published(int usedIndex) {
      steps.add("published " + usedIndex);
    }

    @Override
    public void wroteBuffer(long address, int length) {
      writes.add("buffer %x+%d".formatted(address, length));
    }

    @Override
    public void wroteUsed(long offset, int length) {
      writes.add("used %d+%d".formatted(offset, length));
    }
  }

  private static boolean resume(Bench bench, QueueResume from) {
    return bench.queue.resume(
        bench.driver.size(),
        bench.driver.descriptorArea(),
        bench.driver.driverArea(),
        bench.driver.deviceArea(),
        bench.eventIdx,
        true,
        from);
  }

  private static void offer(Bench bench, int chains) {
    for (int i = 0; i < chains; i++) {
      bench.driver.begin().writable(BUFFERS + 64L * (i & 7), 64).offer();
    }
    bench.driver.publish();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 0xfffe})
  void whatWasInFlightComesFirstWhateverTheRingHoldsThere(int start) {
    Bench bench = new Bench(8, false, start);
    offer(bench, 4); // heads 0 to 3
    // The device before took all four and used 1 and 2, out of order, before it died.
    MemorySegment used = bench.at(bench.driver.deviceArea(), 4 + 8 * 8);
    for (int i = 0; i < 2; i++) {
      int slot = (start + i) & 7;
      used.set(ValueLayout.JAVA_INT, 4 + 8L * slot, i + 1);
    }
    used.set(ValueLayout.JAVA_SHORT, 2, (short) (start + 2));
    assertTrue(bench.driver.poll() && bench.driver.poll());
    offer(bench, 1);
    int next = (start + 2) & 0xFFFF;
    assertTrue(resume(bench, new QueueResume(next, next, new int[] {3, 0}, null)));

    assertEquals(3, take(bench));
    bench.queue.rewind(bench.chain);
    assertEquals(3, take(bench), "what is given back comes again");
    bench.queue.complete(bench.chain, 64);
    assertEquals(0, take(bench));
    bench.queue.complete(bench.chain, 64);
    int fifth = take(bench);
    assertTrue(fifth == 1 || fifth == 2, "the ring goes on behind them: head=" + fifth);
    bench.queue.complete(bench.chain, 64);
    bench.queue.publish();
    assertEquals(Outcome.EMPTY, bench.queue.next(bench.chain));
    for (int expected : new int[] {3, 0, fifth}) {
      assertTrue(bench.driver.poll());
      assertEquals(expected, bench.driver.usedId());
    }
  }

  /** Otherwise what came 65,536 chains later would be taken for what was in flight. */
  @Test
  void inFlightIsForgottenOnceItIsUsed() {
    Bench bench = new Bench(8, false, 0);
    offer(bench, 2);
    assertTrue(resume(bench, new QueueResume(0, 0, new int[] {1, 0}, null)));
    for (int i = 0; i < 0x1_0000 + 2; i++) {
      int head = take(bench);
      if (i >= 2) {
        assertEquals(lastOffered, head, "chain " + i);
      }
      bench.queue.complete(bench.chain, 1);
      bench.queue.publish();
      if (i >= 1) {
        while (bench.driver.poll()) {
          // freed
        }
        lastOffered = bench.driver.begin().writable(BUFFERS, 64).offer();
        bench.driver.publish();
      }
    }
  }

  private int lastOffered;

  private static int take(Bench bench) {
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    return bench.chain.head();
  }

  @Test
  void aHeadInFlightThatIsNoneBreaksTheQueue() {
    Bench bench = new Bench(8, false, 0);
    offer(bench, 1);
    assertTrue(resume(bench, new QueueResume(0, 0, new int[] {8}, null)));
    assertEquals(Outcome.BROKEN, bench.queue.next(bench.chain));
    assertEquals(QueueError.HEAD_OUT_OF_RANGE, bench.queue.error());
  }

  @Test
  void theJournalIsToldOfEachStepAndOfEachWrite() {
    Bench bench = new Bench(8, false, 0);
    Words journal = new Words();
    assertTrue(resume(bench, new QueueResume(0, 0, new int[0], journal)));
    offer(bench, 2);
    take(bench);
    bench.queue.rewind(bench.chain);
    take(bench);
    MemorySegment bytes = Arena.ofAuto().allocate(64);
    assertEquals(DmaFault.NONE, bench.queue.scatter(bench.chain, 10, bytes, 0, 20));
    assertEquals(DmaFault.NONE, bench.queue.gather(bench.chain, 0, bytes, 0, 0));
    bench.queue.complete(bench.chain, 30);
    take(bench);
    bench.queue.complete(bench.chain, 0);
    bench.queue.publish();
    bench.queue.disableKicks();
    bench.queue.enableKicks();
    assertEquals(
        List.of("taken 0", "back 0", "taken 0", "used 0", "taken 1", "used 1", "published 2"),
        journal.steps);
    assertEquals(
        List.of(
            "buffer %x+20".formatted(BUFFERS + 10),
            "used 4+8",
            "used 12+8",
            "used 2+2",
            "used 0+2",
            "used 0+2"),
        journal.writes);
  }

  @Test
  void whatWasInFlightIsNotTakenAgainInTheJournal() {
    Bench bench = new Bench(8, false, 0);
    Words journal = new Words();
    offer(bench, 2);
    assertTrue(resume(bench, new QueueResume(0, 0, new int[] {1}, journal)));
    take(bench);
    bench.queue.rewind(bench.chain);
    take(bench);
    bench.queue.complete(bench.chain, 0);
    bench.queue.publish();
    assertEquals(List.of("used 1", "published 1"), journal.steps);
  }

  @Test
  void journalEndsWithTheRun() {
    Bench bench = new Bench(8, false, 0);
    Words journal = new Words();
    assertTrue(resume(bench, new QueueResume(0, 0, new int[] {5}, journal)));
    bench.start(0);
    offer(bench, 1);
    assertEquals(0, take(bench));
    assertEquals(List.of(), journal.steps);
  }

  // ---- a translation that has not come

  private static Bench pending(int size, boolean eventIdx) {
    Bench bench = new Bench(size, eventIdx, 0);
    bench.bus.pends();
    bench.start(0);
    return bench;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aRingWhoseTranslationIsPendingIsTriedAgain(boolean eventIdx) {
    for (int page = 0; page < 3; page++) {
      Bench bench = pending(256, eventIdx);
      offer(bench, 1);
      long[] areas = {
        bench.driver.descriptorArea(), bench.driver.driverArea(), bench.driver.deviceArea()
      };
      DmaAccess access = page == 2 ? DmaAccess.WRITE : DmaAccess.READ;
      bench.bus.fault(areas[page], access, DmaFault.TRANSLATION_PENDING);
      assertEquals(Outcome.BLOCKED, bench.queue.next(bench.chain), "area " + page);
      assertEquals(QueueState.RUNNING, bench.queue.state());
      bench.bus.fault(areas[page], access, DmaFault.NONE);
      assertEquals(0, take(bench));
      bench.queue.complete(bench.chain, 64);
      bench.queue.publish();
      assertTrue(bench.driver.poll());
    }
  }

  /** The used element of a chain that was taken can always be written: it was looked at before. */
  @Test
  void aChainIsNotTakenBeforeItsUsedElementCanBeWritten() {
    Bench bench = pending(512, false);
    long firstPage = bench.driver.deviceArea() / MockBus.PAGE * MockBus.PAGE;
    long secondPage = firstPage + MockBus.PAGE;
    int inFirst = (int) ((secondPage - bench.driver.deviceArea() - 4) / 8);
    assertTrue(inFirst < 500, "the ring has to reach into a second page: " + inFirst);
    bench.bus.scatter();
    bench.bus.fault(secondPage, DmaAccess.WRITE, DmaFault.TRANSLATION_PENDING);
    offer(bench, inFirst + 2);
    for (int i = 0; i < inFirst; i++) {
      assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain), "chain " + i);
      bench.queue.complete(bench.chain, 0);
    }
    assertEquals(Outcome.BLOCKED, bench.queue.next(bench.chain));
    bench.bus.fault(secondPage, DmaAccess.WRITE, DmaFault.NONE);
    take(bench);
    bench.queue.complete(bench.chain, 0);
    bench.queue.publish();
    assertEquals(QueueState.RUNNING, bench.queue.state());
    assertEquals(inFirst + 1, bench.driver.usedIdx());
  }

  @Test
  void anotherFaultStillBreaksTheQueueWhenItIsMet() {
    Bench bench = pending(8, false);
    offer(bench, 1);
    bench.bus.fault(bench.driver.deviceArea(), DmaAccess.WRITE, DmaFault.NOT_PERMITTED);
    take(bench);
    bench.queue.complete(bench.chain, 0);
    assertEquals(QueueState.BROKEN, bench.queue.state());
  }

  /** What is staged may be taken back: the journal hears of it as used only once it is kept. */
  @Test
  void stagedChainsAreToldAsUsedOnceTheyAreKept() {
    Bench bench = new Bench(8, false, 0);
    Words words = new Words();
    offer(bench, 2);
    assertTrue(resume(bench, new QueueResume(0, 0, new int[0], words)));
    int[] heads = {take(bench), 0};
    bench.queue.stage(bench.chain, 64);
    heads[1] = take(bench);
    bench.queue.stage(bench.chain, 8);
    bench.queue.takeBack(heads, 2);
    assertEquals(List.of("taken 0", "taken 1", "back 1", "back 0"), words.steps);
    assertEquals(List.of(), words.writes);
    words.steps.clear();
    take(bench);
    bench.queue.stage(bench.chain, 64);
    take(bench);
    bench.queue.stage(bench.chain, 8);
    bench.queue.keep(heads, 2);
    bench.queue.publish();
    assertEquals(List.of("taken 0", "taken 1", "used 0", "used 1", "published 2"), words.steps);
    assertEquals(List.of("used 4+8", "used 12+8", "used 2+2"), words.writes);
  }
}
