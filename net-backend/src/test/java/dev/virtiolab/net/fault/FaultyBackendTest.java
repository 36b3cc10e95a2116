package dev.virtiolab.net.fault;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.SinkBackend;
import dev.virtiolab.net.SourceBackend;
import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FaultyBackendTest {
  private static final long SEED = Long.getLong("virtiolab.seed", 42);
  private static final Duration MS = Duration.ofMillis(1);
  private static final long MS_NANOS = MS.toNanos();
  private static final int FRAME_BYTES = 64;
  private static final int NUMBER_AT = 20;

  private final AtomicLong clock = new AtomicLong(5_000_000_000L);
  private final ScriptedBackend wire = new ScriptedBackend(65_552);
  private final FaultyBackend faults = FaultyBackend.stepped(wire, SEED, clock::get);

  @AfterEach
  void close() {
    faults.close();
  }

  // ---- a NIC that sends, or receives, frames which know their number

  private static byte[] frame(long number, int length) {
    byte[] frame = new byte[length];
    ByteBuffer.wrap(frame).putLong(NUMBER_AT, number);
    return frame;
  }

  private static long numberOf(byte[] frame) {
    return ByteBuffer.wrap(frame).getLong(NUMBER_AT);
  }

  private static boolean commit(NetBackend backend, byte[] frame) {
    if (!backend.claim(frame.length)) {
      return false;
    }
    MemorySegment.copy(
        frame, 0, backend.claimed(), ValueLayout.JAVA_BYTE, backend.claimedOffset(), frame.length);
    backend.commit();
    return true;
  }

  private static byte[] take(NetBackend backend) {
    byte[] frame = new byte[backend.peek()];
    if (frame.length > 0) {
      MemorySegment.copy(
          backend.peeked(), ValueLayout.JAVA_BYTE, backend.peekedOffset(), frame, 0, frame.length);
      backend.release();
    }
    return frame;
  }

  private final List<byte[]> arrived = new ArrayList<>();
  private long sentOut;
  private long sentIn;

  /** Sends so many frames, and lets the NIC poll after each batch. */
  private void send(Direction direction, int frames) {
    for (int i = 0; i < frames; i++) {
      send(direction, FRAME_BYTES, i % 16 == 15);
    }
    poll();
  }

  private void send(Direction direction, int length, boolean thenPoll) {
    switch (direction) {
      case OUT -> assertTrue(commit(faults, frame(++sentOut, length)));
      case IN -> wire.deliver(frame(++sentIn, length));
    }
    if (thenPoll) {
      poll();
    }
  }

  /** As a device does. */
  private void poll() {
    faults.flush();
    for (byte[] frame = take(faults); frame.length > 0; frame = take(faults)) {
      arrived.add(frame);
    }
  }

  private void pass(Duration time) {
    clock.addAndGet(time.toNanos());
    poll();
  }

  /** What came out at the other end so far, in order. */
  private List<byte[]> out(Direction direction) {
    return direction == Direction.OUT ? wire.sent() : arrived;
  }

  private long[] numbers(Direction direction) {
    return out(direction).stream().mapToLong(FaultyBackendTest::numberOf).toArray();
  }

  private static long[] upTo(int count) {
    return LongStream.rangeClosed(1, count).toArray();
  }

  private void assertNothingIsUnaccounted(Direction direction) {
    FaultCounters counters = faults.faults();
    assertEquals(
        counters.frames(direction)
            + counters.count(direction, Fault.DUPLICATED)
            - counters.count(direction, Fault.COPY_DROPPED),
        counters.passed(direction) + counters.dropped(direction) + counters.waiting(direction));
    assertEquals(out(direction).size(), counters.passed(direction));
  }

  // ---- one fault at a time

  @ParameterizedTest
  @EnumSource
  void withoutFaultsEveryFramePassesAndIsNumbered(Direction direction) {
    send(direction, 100);

    assertArrayEquals(upTo(100), numbers(direction));
    assertEquals(100, faults.faults().frames(direction));
    assertEquals(100, faults.faults().passed(direction));
    assertEquals(0, faults.journal().size());
  }

  @ParameterizedTest
  @EnumSource
  void exactlyTheLostFramesAreMissing(Direction direction) {
    faults.rules(direction, FaultRules.NONE.withLoss(0.05));

    send(direction, 10_000);

    long[] lost = faults.journal().numbers(direction, Fault.LOST);
    assertEquals(500, lost.length, 100);
    assertArrayEquals(
        LongStream.rangeClosed(1, 10_000)
            .filter(number -> Arrays.binarySearch(lost, number) < 0)
            .toArray(),
        numbers(direction));
    assertEquals(lost.length, faults.journal().size());
    assertNothingIsUnaccounted(direction);
  }

  @Test
  void aDirectionKnowsNothingOfTheOther() {
    faults.rules(Direction.OUT, FaultRules.NONE.withLoss(1));

    send(Direction.OUT, 10);
    send(Direction.IN, 10);

    assertEquals(0, wire.sentCount());
    assertArrayEquals(upTo(10), numbers(Direction.IN));
    assertEquals(10, wire.aborts());
  }

  @ParameterizedTest
  @EnumSource
  void aDelayedFrameArrivesWhenItIsDueAndNotBefore(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS.multipliedBy(10)));
    send(direction, 1);
    pass(MS.multipliedBy(4));
    send(direction, 1);
    pass(MS.multipliedBy(6).minusNanos(1));
    assertEquals(0, out(direction).size());
    assertEquals(2, faults.faults().waiting(direction));
    assertEquals(2 * FRAME_BYTES, faults.faults().waitingBytes(direction));

    pass(Duration.ofNanos(1));
    assertArrayEquals(upTo(1), numbers(direction));
    pass(MS.multipliedBy(4).minusNanos(1));
    assertEquals(1, out(direction).size());
    pass(Duration.ofNanos(1));

    assertArrayEquals(upTo(2), numbers(direction));
    assertEquals(0, faults.faults().waiting(direction));
    assertEquals(0, faults.faults().waitingBytes(direction));
    assertEquals(0, faults.journal().size());
    assertEquals(0, wire.unflushed());
  }

  @ParameterizedTest
  @EnumSource
  void jitterVariesTheDelayWithinItsBoundsAndKeepsTheOrder(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS.multipliedBy(10), MS.multipliedBy(4)));
    List<Long> delays = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      send(direction, 1);
      long sent = clock.get();
      while (out(direction).size() == i) {
        pass(MS.dividedBy(10));
      }
      delays.add(clock.get() - sent);
    }
    long shortest = delays.stream().mapToLong(Long::longValue).min().orElseThrow();
    long longest = delays.stream().mapToLong(Long::longValue).max().orElseThrow();
    assertEquals(6, (double) shortest / MS_NANOS, 0.3);
    assertEquals(14, (double) longest / MS_NANOS, 0.3);

    send(direction, 500);
    pass(MS.multipliedBy(14));
    assertArrayEquals(upTo(800), numbers(direction));
  }

  @ParameterizedTest
  @EnumSource
  void theJournalNamesTheFramesThatWereOvertaken(Direction direction) {
    faults.rules(FaultRules.NONE.withReordering(0.2, MS.multipliedBy(3)));
    for (int i = 0; i < 500; i++) {
      send(direction, 1);
      pass(MS);
    }
    pass(MS.multipliedBy(3));

    long[] order = numbers(direction);
    long highest = 0;
    List<Long> overtaken = new ArrayList<>();
    for (long number : order) {
      if (number < highest) {
        overtaken.add(number);
      }
      highest = Math.max(highest, number);
    }
    assertEquals(100, overtaken.size(), 40);
    assertEquals(
        overtaken,
        Arrays.stream(faults.journal().numbers(direction, Fault.REORDERED)).boxed().toList());
    assertArrayEquals(upTo(500), Arrays.stream(order).sorted().toArray());
    assertNothingIsUnaccounted(direction);
  }

  @ParameterizedTest
  @EnumSource
  void exactlyTheBitOfTheJournalIsFlipped(Direction direction) {
    faults.rules(FaultRules.NONE.withCorruption(0.3));
    send(direction, 200);

    List<byte[]> expected = new ArrayList<>();
    for (int number = 1; number <= 200; number++) {
      expected.add(frame(number, FRAME_BYTES));
    }
    List<FaultJournal.Entry> entries = faults.journal().entries();
    for (FaultJournal.Entry entry : entries) {
      assertEquals(Fault.CORRUPTED, entry.fault());
      expected.get((int) entry.number() - 1)[(int) entry.bit() / 8] ^=
          (byte) (1 << entry.bit() % 8);
    }
    assertEquals(60, entries.size(), 30);
    assertTrue(entries.stream().mapToLong(FaultJournal.Entry::bit).max().orElseThrow() > 400);
    for (int i = 0; i < 200; i++) {
      assertArrayEquals(expected.get(i), out(direction).get(i), "frame " + (i + 1));
    }
  }

  @Test
  void aFrameThatTheWireLendsIsNotWritten() {
    try (SourceBackend source = new SourceBackend(new byte[6], new byte[6], 64);
        FaultyBackend faulty = FaultyBackend.stepped(source, SEED, clock::get)) {
      byte[] pattern = take(faulty);
      faulty.rules(FaultRules.NONE.withCorruption(1));
      for (int i = 0; i < 100; i++) {
        take(faulty);
      }
      faulty.rules(FaultRules.NONE);
      byte[] last = take(faulty);
      while (faulty.faults().waiting(Direction.IN) > 0) {
        last = take(faulty);
      }
      last = take(faulty);
      Arrays.fill(last, SourceBackend.NUMBER_OFFSET, SourceBackend.NUMBER_OFFSET + 8, (byte) 0);
      Arrays.fill(pattern, SourceBackend.NUMBER_OFFSET, SourceBackend.NUMBER_OFFSET + 8, (byte) 0);
      assertArrayEquals(pattern, last);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aDuplicatedFrameComesTwiceInARow(Direction direction) {
    faults.rules(FaultRules.NONE.withDuplication(0.25));
    send(direction, 400);

    long[] twice = faults.journal().numbers(direction, Fault.DUPLICATED);
    assertEquals(100, twice.length, 40);
    long[] expected =
        LongStream.rangeClosed(1, 400)
            .flatMap(
                n -> Arrays.binarySearch(twice, n) < 0 ? LongStream.of(n) : LongStream.of(n, n))
            .toArray();
    assertArrayEquals(expected, numbers(direction));
    assertEquals(twice.length, faults.journal().size());
    assertNothingIsUnaccounted(direction);
  }

  @ParameterizedTest
  @EnumSource
  void aRateLetsFramesThroughOneAfterTheOther(Direction direction) {
    // 1000 bytes take 1 ms.
    faults.rules(FaultRules.NONE.withRate(8_000_000));
    for (int i = 0; i < 20; i++) {
      send(direction, 1000, false);
    }
    poll();
    for (int i = 0; i < 20; i++) {
      assertEquals(i, out(direction).size());
      pass(MS.minusNanos(1));
      assertEquals(i, out(direction).size());
      pass(Duration.ofNanos(1));
    }
    assertArrayEquals(upTo(20), numbers(direction));
    // An idle wire saves nothing up.
    pass(MS.multipliedBy(50));
    send(direction, 1000, true);
    pass(MS.minusNanos(1));
    assertEquals(20, out(direction).size());
    pass(Duration.ofNanos(1));
    assertEquals(21, out(direction).size());
  }

  @ParameterizedTest
  @EnumSource
  void whatIsUnderWayIsBoundedInFrames(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS).withLimit(10));
    send(direction, 25);

    assertEquals(10, faults.faults().waiting(direction));
    assertArrayEquals(
        LongStream.rangeClosed(11, 25).toArray(),
        faults.journal().numbers(direction, Fault.OVERFLOWED));
    pass(MS);
    assertArrayEquals(upTo(10), numbers(direction));
    assertNothingIsUnaccounted(direction);
    send(direction, 1);
    pass(MS);
    assertEquals(26, numberOf(out(direction).getLast()));
  }

  @ParameterizedTest
  @EnumSource
  void whatIsUnderWayIsBoundedInBytes(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS).withLimit(FaultRules.MAX_LIMIT_FRAMES));
    int frames = DelayLine.CAPACITY_BYTES / 65_536;
    for (int i = 0; i < frames + 3; i++) {
      send(direction, 65_536, true);
    }
    assertEquals(3, faults.faults().count(direction, Fault.OVERFLOWED));
    assertEquals(DelayLine.CAPACITY_BYTES, faults.faults().waitingBytes(direction));
    pass(MS);
    assertArrayEquals(upTo(frames), numbers(direction));
    // And all of it is free again.
    for (int i = 0; i < frames; i++) {
      send(direction, 65_536, true);
    }
    assertEquals(3, faults.faults().count(direction, Fault.OVERFLOWED));
    assertNothingIsUnaccounted(direction);
  }

  @ParameterizedTest
  @EnumSource
  void aCopyWithoutRoomIsNotMadeAndSaidSo(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS).withDuplication(1).withLimit(3));
    send(direction, 2);
    pass(MS);

    assertArrayEquals(new long[] {1, 1, 2}, numbers(direction));
    assertArrayEquals(new long[] {2}, faults.journal().numbers(direction, Fault.COPY_DROPPED));
    assertNothingIsUnaccounted(direction);
  }

  @ParameterizedTest
  @EnumSource
  void aBlockedDirectionDropsEverythingUntilItIsHealed(Direction direction) {
    faults.rules(direction, FaultRules.NONE.withBlocked(true));
    send(direction, 5);
    assertTrue(faults.linkUp());
    faults.rules(direction, FaultRules.NONE);
    send(direction, 5);

    assertArrayEquals(new long[] {6, 7, 8, 9, 10}, numbers(direction));
    assertArrayEquals(upTo(5), faults.journal().numbers(direction, Fault.PARTITIONED));
  }

  @ParameterizedTest
  @EnumSource
  void nothingOfASilencedStationPassesToAGroupNeither(Direction direction) {
    byte[][] stations = {
      {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}, {-1, -1, -1, -1, -1, -1}
    };
    faults.rules(FaultRules.NONE.withSilenced(List.of(0x0200_0000_0001L, 0x0200_0000_0003L)));
    List<Long> expected = new ArrayList<>();
    long number = 0;
    for (int from = 0; from < 3; from++) {
      for (byte[] to : stations) {
        byte[] frame = frame(++number, FRAME_BYTES);
        System.arraycopy(to, 0, frame, 0, 6);
        System.arraycopy(stations[from], 0, frame, 6, 6);
        if (from == 1) {
          expected.add(number);
        }
        if (direction == Direction.OUT) {
          assertTrue(commit(faults, frame));
        } else {
          wire.deliver(frame);
        }
      }
    }
    poll();
    assertEquals(expected, Arrays.stream(numbers(direction)).boxed().toList());
    assertEquals(8, faults.faults().count(direction, Fault.PARTITIONED));
  }

  @ParameterizedTest
  @EnumSource
  void separatedStationsDoNotReachEachOtherWhileOthersDo(Direction direction) {
    byte[][] stations = {
      {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}, {-1, -1, -1, -1, -1, -1}
    };
    faults.rules(
        FaultRules.NONE.withSeparated(MacPair.of("02:00:00:00:00:01", "02:00:00:00:00:02")));
    List<Long> expected = new ArrayList<>();
    long number = 0;
    for (int from = 0; from < 3; from++) {
      for (int to = 0; to < 4; to++) {
        byte[] frame = frame(++number, FRAME_BYTES);
        System.arraycopy(stations[to], 0, frame, 0, 6);
        System.arraycopy(stations[from], 0, frame, 6, 6);
        if (!(from == 0 && to == 1 || from == 1 && to == 0)) {
          expected.add(number);
        }
        if (direction == Direction.OUT) {
          assertTrue(commit(faults, frame));
        } else {
          wire.deliver(frame);
        }
      }
    }
    poll();
    assertEquals(expected, Arrays.stream(numbers(direction)).boxed().toList());
    assertEquals(2, faults.faults().count(direction, Fault.PARTITIONED));
  }

  @ParameterizedTest
  @EnumSource
  void aPulledCableTakesTheLinkDownAndLosesWhatIsUnderWay(Direction direction) {
    CountDownLatch told = new CountDownLatch(3);
    faults.onReady(told::countDown);
    faults.rules(FaultRules.NONE.withDelay(MS));
    send(direction, 3);
    faults.link(false);
    assertFalse(faults.linkUp());
    send(direction, 2);
    faults.link(true);
    assertTrue(faults.linkUp());
    send(direction, 2);
    pass(MS);

    assertArrayEquals(new long[] {6, 7}, numbers(direction));
    assertArrayEquals(upTo(5), faults.journal().numbers(direction, Fault.LINK_DOWN));
    assertEquals(0, told.getCount(), "the device is to be told of rules and link");
    assertNothingIsUnaccounted(direction);
  }

  /** Also where nobody looked meanwhile. */
  @ParameterizedTest
  @EnumSource
  void aLinkThatOnlyFlapsLosesWhatIsUnderWay(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS));
    send(direction, 3);
    faults.link(false);
    faults.link(true);
    send(direction, 1);
    pass(MS);

    assertArrayEquals(new long[] {4}, numbers(direction));
  }

  @Test
  void theLinkIsDownWhereTheWiresIs() {
    wire.link(false);
    assertFalse(faults.linkUp());
    wire.link(true);
    assertTrue(faults.linkUp());
  }

  // ---- together, and while traffic runs

  private static final FaultRules EVERYTHING =
      FaultRules.NONE
          .withLoss(0.1)
          .withCorruption(0.1)
          .withDuplication(0.1)
          .withReordering(0.1, MS.multipliedBy(2))
          .withDelay(MS.multipliedBy(3), MS)
          .withRate(10_000_000)
          .withLimit(40);

  /** Random traffic and random changes of the rules; what came out, and the journal. */
  private static List<String> history(long faultSeed, long trafficSeed) {
    SplittableRandom random = new SplittableRandom(trafficSeed);
    AtomicLong time = new AtomicLong();
    List<String> events = new ArrayList<>();
    ScriptedBackend scripted = new ScriptedBackend();
    try (FaultyBackend faulty = FaultyBackend.stepped(scripted, faultSeed, time::get)) {
      for (int step = 0; step < 5000; step++) {
        switch (random.nextInt(12)) {
          case 0 ->
              faulty.rules(Direction.OUT, random.nextBoolean() ? EVERYTHING : FaultRules.NONE);
          case 1 -> faulty.rules(Direction.IN, random.nextBoolean() ? EVERYTHING : FaultRules.NONE);
          case 2 -> faulty.link(random.nextInt(4) > 0);
          case 3 -> scripted.refuse(random.nextInt(3));
          case 4, 5, 6 -> commit(faulty, frame(step, 60 + random.nextInt(3000)));
          case 7, 8, 9 -> scripted.deliver(frame(step, 60 + random.nextInt(3000)));
          default -> {
            time.addAndGet(random.nextLong(3 * MS_NANOS));
            faulty.flush();
            for (int i = random.nextInt(20); i > 0; i--) {
              byte[] frame = take(faulty);
              if (frame.length > 0) {
                events.add("in " + Arrays.hashCode(frame));
              }
            }
          }
        }
      }
      scripted.refuse(0);
      faulty.link(true);
      while (faulty.faults().waiting(Direction.OUT) + scripted.waiting() > 0
          || faulty.peek() != 0
          || faulty.faults().waiting(Direction.IN) > 0) {
        time.addAndGet(MS_NANOS);
        faulty.flush();
        byte[] frame = take(faulty);
        if (frame.length > 0) {
          events.add("in " + Arrays.hashCode(frame));
        }
      }
      faulty.flush();
      scripted.sent().forEach(frame -> events.add("out " + Arrays.hashCode(frame)));
      faulty.journal().entries().forEach(entry -> events.add(entry.toString()));
      FaultCounters counters = faulty.faults();
      for (Direction direction : Direction.values()) {
        assertEquals(
            counters.frames(direction)
                + counters.count(direction, Fault.DUPLICATED)
                - counters.count(direction, Fault.COPY_DROPPED),
            counters.passed(direction) + counters.dropped(direction),
            "nothing waits any more: seed " + trafficSeed);
        for (Fault fault : Fault.values()) {
          assertEquals(
              counters.count(direction, fault),
              faulty.journal().numbers(direction, fault).length,
              "seed " + trafficSeed);
        }
      }
    }
    return events;
  }

  @Test
  void theSameSeedFramesAndClockGiveTheSameFaults() {
    for (int i = 0; i < 20; i++) {
      List<String> once = history(SEED, SEED + i);
      assertEquals(once, history(SEED, SEED + i), "seed " + (SEED + i));
      assertNotEquals(once, history(SEED + 1, SEED + i), "another seed, the same faults");
    }
  }

  @Test
  void chanceAnswersEachQuestionByItself() {
    send(Direction.OUT, 0);
    faults.rules(FaultRules.NONE.withLoss(0.1));
    send(Direction.OUT, 2000);
    long[] alone = faults.journal().numbers(Direction.OUT, Fault.LOST);

    ScriptedBackend second = new ScriptedBackend();
    try (FaultyBackend more = FaultyBackend.stepped(second, SEED, clock::get)) {
      more.rules(EVERYTHING.withLoss(0.1).withLimit(10_000));
      for (int i = 0; i < 2000; i++) {
        commit(more, frame(i, 60));
      }
      assertArrayEquals(alone, more.journal().numbers(Direction.OUT, Fault.LOST));
    }
    ScriptedBackend third = new ScriptedBackend();
    try (FaultyBackend twice = FaultyBackend.stepped(third, SEED, clock::get)) {
      twice.rules(FaultRules.NONE.withLoss(0.2));
      for (int i = 0; i < 2000; i++) {
        commit(twice, frame(i, 60));
      }
      long[] lost = twice.journal().numbers(Direction.OUT, Fault.LOST);
      assertTrue(lost.length > alone.length);
      assertTrue(Arrays.stream(alone).allMatch(n -> Arrays.binarySearch(lost, n) >= 0));
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatIsUnderWayIsNotOvertakenWhenTheDelayIsTakenAway(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS.multipliedBy(5)));
    send(direction, 3);
    faults.rules(FaultRules.NONE);
    send(direction, 3);
    assertEquals(0, out(direction).size());
    pass(MS.multipliedBy(5));
    assertArrayEquals(upTo(6), numbers(direction));
    send(direction, 1);
    assertArrayEquals(upTo(7), numbers(direction));
    assertEquals(0, faults.journal().size());
  }

  @ParameterizedTest
  @EnumSource
  void whatOnlyHasToWaitForOthersIsRefusedAndNotDroppedForWantOfRoom(Direction direction) {
    faults.rules(FaultRules.NONE.withDelay(MS).withLimit(5));
    send(direction, 5);
    faults.rules(FaultRules.NONE.withLimit(5));
    if (direction == Direction.OUT) {
      assertFalse(faults.claim(60));
    } else {
      send(direction, 1);
      assertEquals(1, wire.waiting());
    }
    pass(MS);
    assertTrue(faults.faults().waiting(direction) == 0 && wire.waiting() == 0);
    assertEquals(0, faults.faults().dropped(direction));
  }

  @Test
  void aFrameThatTheNicWasShownStaysShown() {
    wire.deliver(frame(1, 60));
    assertEquals(60, faults.peek());
    faults.rules(FaultRules.NONE.withLoss(1));
    faults.link(false);
    assertEquals(60, faults.peek());
    assertEquals(1, numberOf(take(faults)));
    wire.deliver(frame(2, 60));
    assertEquals(0, faults.peek());
  }

  @Test
  void whereTheWireRefusesADelayedFrameItWaitsAtTheHeadOfItsLine() {
    faults.rules(FaultRules.NONE.withDelay(MS));
    send(Direction.OUT, 3);
    wire.refuseAll();
    pass(MS);
    assertEquals(0, wire.sentCount());
    wire.makeRoom();
    poll();
    assertArrayEquals(upTo(3), numbers(Direction.OUT));
  }

  @Test
  void withoutDelayTheWiresBackPressureReachesTheNic() {
    faults.rules(FaultRules.NONE.withLoss(0.5));
    wire.refuseAll();
    assertFalse(faults.claim(60));
    wire.makeRoom();
    assertTrue(faults.claim(60));
    faults.abort();
    assertEquals(0, faults.faults().frames(Direction.OUT));
  }

  @Test
  void whereMoreIsDroppedThanOneLookTakesTheDeviceIsWoken() {
    AtomicLong wakes = new AtomicLong();
    faults.onReady(wakes::incrementAndGet);
    for (FaultRules rules :
        List.of(FaultRules.NONE.withLoss(1), FaultRules.NONE.withLoss(1).withDelay(MS))) {
      faults.rules(rules);
      send(Direction.IN, 0);
      for (int i = 0; i < 200; i++) {
        wire.deliver(frame(i, 60));
      }
      while (wire.waiting() > 0) {
        long before = wakes.get();
        assertEquals(0, faults.peek());
        assertTrue(wire.waiting() == 0 || wakes.get() > before, "frames left and nobody told");
      }
    }
  }

  @Test
  void theObserverIsShownTheFrame() {
    List<String> seen = new ArrayList<>();
    faults.observe(
        (direction, number, fault, frame, at, length) ->
            seen.add(
                direction.word()
                    + " "
                    + number
                    + " "
                    + fault.word()
                    + " "
                    + numberOf(frame.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE))));
    faults.rules(Direction.OUT, FaultRules.NONE.withLoss(1));
    send(Direction.OUT, 2);
    faults.rules(Direction.IN, FaultRules.NONE.withDelay(MS));
    send(Direction.IN, 1);
    faults.link(false);
    poll();
    assertEquals(List.of("out 1 lost 1", "out 2 lost 2", "in 1 link_down 1"), seen);
  }

  // ---- time

  @Test
  void whoMovesTheClockWakesTheDevice() {
    AtomicLong wakes = new AtomicLong();
    faults.rules(FaultRules.NONE.withDelay(MS));
    faults.onReady(wakes::incrementAndGet);
    send(Direction.OUT, 1);
    faults.tick();
    assertEquals(0, wakes.get());
    clock.addAndGet(MS_NANOS);
    faults.tick();
    assertEquals(1, wakes.get());
    poll();
    faults.tick();
    assertEquals(1, wakes.get());
  }

  @ParameterizedTest
  @EnumSource
  void inTheHostsTimeASleepingDeviceIsWoken(Direction direction) throws InterruptedException {
    ScriptedBackend scripted = new ScriptedBackend();
    try (FaultyBackend faulty = FaultyBackend.open(scripted, SEED)) {
      faulty.rules(FaultRules.NONE.withDelay(Duration.ofMillis(20)));
      for (int i = 1; i <= 5; i++) {
        CountDownLatch woken = new CountDownLatch(1);
        long sent = System.nanoTime();
        if (direction == Direction.OUT) {
          commit(faulty, frame(i, 60));
          faulty.flush();
        } else {
          scripted.deliver(frame(i, 60));
          assertEquals(0, faulty.peek());
        }
        faulty.onReady(woken::countDown);
        assertTrue(woken.await(10, TimeUnit.SECONDS), "nobody woke the device");
        assertTrue(System.nanoTime() - sent >= 20 * MS_NANOS, "too early");
        int length = faulty.peek();
        assertEquals(
            i, direction == Direction.OUT ? scripted.sentCount() : arrivedIn(faulty, length));
        faulty.onReady(() -> {});
      }
      assertEquals(1, alarms());
    }
    assertEquals(0, alarms());
  }

  private long arrivedIn(NetBackend backend, int length) {
    assertEquals(60, length);
    return numberOf(take(backend));
  }

  private static long alarms() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("fault-alarm"))
        .count();
  }

  // ---- cost

  @ParameterizedTest
  @EnumSource
  void framesAllocateNothing(Load load) {
    LoopbackBackend.Pair pair = LoopbackBackend.pair(256, 2048);
    try (NetBackend far = pair.right();
        FaultyBackend faulty = FaultyBackend.stepped(pair.left(), SEED, clock::get)) {
      faulty.rules(load.rules);
      byte[] frame = frame(1, 1514);
      long bytes =
          Allocation.bytesOf(
              5,
              () -> {
                for (int round = 0; round < 2000; round++) {
                  for (int i = 0; i < 16; i++) {
                    commit(far, frame);
                    commit(faulty, frame);
                  }
                  far.flush();
                  clock.addAndGet(MS_NANOS);
                  faulty.flush();
                  while (faulty.peek() != 0) {
                    faulty.release();
                  }
                  while (far.peek() != 0) {
                    far.release();
                  }
                }
              });
      assertTrue(faulty.faults().passed(Direction.IN) > 100_000, "frames must have passed");
      assertTrue(faulty.faults().passed(Direction.OUT) > 100_000, "frames must have passed");
      assertTrue(bytes < 4096, bytes + " bytes for 64000 frames");
    }
  }

  enum Load {
    NOTHING(FaultRules.NONE),
    LOSS(FaultRules.NONE.withLoss(0.2)),
    EVERYTHING(FaultyBackendTest.EVERYTHING.withRate(0).withLimit(1000));

    final FaultRules rules;

    Load(FaultRules rules) {
      this.rules = rules;
    }
  }

  @Test
  void theJournalKeepsItsFirstEntriesAndCountsTheOthers() {
    try (FaultyBackend lossy = FaultyBackend.stepped(new SinkBackend(), SEED, clock::get)) {
      lossy.rules(FaultRules.NONE.withLoss(1));
      for (int i = 0; i < FaultJournal.CAPACITY + 10; i++) {
        commit(lossy, frame(1, 60));
      }
      assertEquals(FaultJournal.CAPACITY, lossy.journal().size());
      assertEquals(10, lossy.journal().missed());
      assertEquals(
          FaultJournal.CAPACITY, lossy.journal().entry(FaultJournal.CAPACITY - 1).number());
    }
  }
}
