package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A buffer's life, step by step, with a driver that behaves. */
class SplitQueueTest {
  private static final long A = Bench.BUFFERS;
  private static final long B = Bench.BUFFERS + 0x1000;
  private static final long C = Bench.BUFFERS + 0x2000;

  @Test
  void anEmptyRingIsEmpty() {
    Bench bench = new Bench(8, false);
    assertEquals(Outcome.EMPTY, bench.queue.next(bench.chain));
    assertEquals(QueueState.RUNNING, bench.queue.state());
    assertFalse(bench.queue.publish());
  }

  @Test
  void whatIsOfferedIsSeenWhenAvailIdxMovesAndNotBefore() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().readable(A, 60).offer();
    assertEquals(Outcome.EMPTY, bench.queue.next(bench.chain));
    bench.driver.publish();
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    assertEquals(Outcome.EMPTY, bench.queue.next(bench.chain));
  }

  @Test
  void aChainListsReadableThenWritableParts() {
    Bench bench = new Bench(8, false);
    int head = bench.driver.begin().readable(A, 12).readable(B, 60).writable(C, 100).offer();
    bench.driver.publish();
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    Chain chain = bench.chain;
    assertEquals(head, chain.head());
    assertEquals(3, chain.parts());
    assertEquals(2, chain.readableParts());
    assertEquals(1, chain.writableParts());
    assertEquals(72, chain.readableBytes());
    assertEquals(100, chain.writableBytes());
    assertEquals(List.of(A, B, C), addresses(chain));
    assertEquals(60, chain.length(1));
  }

  @Test
  void anIndirectTableIsAChainAtOddAddressesToo() {
    for (int shift = 0; shift < 16; shift++) {
      Bench bench = new Bench(8, false);
      // It crosses a page, so that a descriptor may lie across two windows.
      bench.bus.scatter();
      long table = Bench.BUFFERS + 0x4000 - 24 + shift;
      bench.driver.beginIndirect(table).readable(A, 12).readable(B, 60).writable(C, 7).offer();
      bench.driver.publish();
      assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain), "shift=" + shift);
      assertEquals(List.of(A, B, C), addresses(bench.chain));
      assertEquals(72, bench.chain.readableBytes());
      assertEquals(7, bench.chain.writableBytes());
    }
  }

  @Test
  void directDescriptorsMayEndInAnIndirectOneWhoseWriteFlagIsIgnored_2_7_5_3_2() {
    Bench bench = new Bench(8, false);
    bench.driver.rawDescriptor(0, A, 12, 1, 3);
    bench.driver.rawDescriptor(3, C, 32, 4 | 2, 0);
    bench.driver.rawEntry(C, 0, B, 60, 1, 1);
    bench.driver.rawEntry(C, 1, B, 8, 2, 0);
    bench.driver.offer(0);
    bench.driver.publish();
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    assertEquals(72, bench.chain.readableBytes());
    assertEquals(8, bench.chain.writableBytes());
  }

  @Test
  void aChainMayHaveAsManyBuffersAsTheQueueHasDescriptors() {
    Bench bench = new Bench(8, false);
    bench.driver.begin();
    for (int i = 0; i < 8; i++) {
      bench.driver.readable(A + i, 1);
    }
    bench.driver.offer();
    bench.driver.publish();
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    assertEquals(8, bench.chain.parts());
  }

  @Test
  void gatherAndScatterCopyAcrossPartsAndPages() {
    for (boolean scattered : new boolean[] {false, true}) {
      Bench bench = new Bench(8, false);
      if (scattered) {
        bench.bus.scatter();
      }
      long edge = Bench.BUFFERS + 0x5000;
      bench
          .driver
          .begin()
          .readable(A, 3)
          .readable(edge - 10, 20)
          .writable(B, 5)
          .writable(edge + 0x1000 - 4, 5000)
          .offer();
      bench.driver.publish();
      byte[] sent = pattern(23, 1);
      MemorySegment.copy(sent, 0, bench.at(A, 3), ValueLayout.JAVA_BYTE, 0, 3);
      MemorySegment.copy(sent, 3, bench.at(edge - 10, 20), ValueLayout.JAVA_BYTE, 0, 20);
      assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));

      for (int offset = 0; offset <= 23; offset++) {
        byte[] got = new byte[23 - offset];
        assertEquals(
            DmaFault.NONE,
            bench.queue.gather(bench.chain, offset, MemorySegment.ofArray(got), 0, got.length));
        assertArrayEquals(java.util.Arrays.copyOfRange(sent, offset, 23), got);
      }
      byte[] received = pattern(5001, 7);
      assertEquals(
          DmaFault.NONE,
          bench.queue.scatter(bench.chain, 2, MemorySegment.ofArray(received), 1, 5000));
      byte[] part = bench.at(B, 5).toArray(ValueLayout.JAVA_BYTE);
      byte[] rest = bench.at(edge + 0x1000 - 4, 4998).toArray(ValueLayout.JAVA_BYTE);
      assertArrayEquals(
          new byte[] {0, 0, received[1], received[2], received[3]}, part, "first part");
      assertArrayEquals(java.util.Arrays.copyOfRange(received, 4, 5001), slice(rest, 4997));
      assertEquals(0, rest[4997]);
    }
  }

  @Test
  void aCopyOutsideTheChainIsTheDevicesMistake() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().readable(A, 10).writable(B, 10).offer();
    bench.driver.publish();
    bench.queue.next(bench.chain);
    MemorySegment local = MemorySegment.ofArray(new byte[64]);
    int[][] bad = {{0, 11}, {10, 1}, {11, 0}, {-1, 1}, {0, -1}, {1, Integer.MAX_VALUE}};
    for (int[] range : bad) {
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> bench.queue.gather(bench.chain, range[0], local, 0, range[1]));
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> bench.queue.scatter(bench.chain, range[0], local, 0, range[1]));
    }
    assertEquals(DmaFault.NONE, bench.queue.gather(bench.chain, 10, local, 0, 0));
  }

  @Test
  void usedElementsAppearWithOnePublicationPerBatch() {
    Bench bench = new Bench(8, false);
    int first = bench.driver.begin().readable(A, 10).offer();
    int second = bench.driver.begin().writable(B, 100).offer();
    bench.driver.publish();
    bench.queue.next(bench.chain);
    Chain other = new Chain(256);
    bench.queue.next(other);
    // In any order.
    bench.queue.complete(other, 64);
    bench.queue.complete(bench.chain, 0);
    assertEquals(0, bench.driver.usedIdx());
    assertTrue(bench.queue.publish());
    assertEquals(2, bench.driver.usedIdx());
    assertTrue(bench.driver.poll());
    assertEquals(second, bench.driver.usedId());
    assertEquals(64, bench.driver.usedLength());
    assertTrue(bench.driver.poll());
    assertEquals(first, bench.driver.usedId());
    assertEquals(0, bench.driver.usedLength());
    assertFalse(bench.driver.poll());
    assertEquals(1, bench.queue.counters().publications());
    assertEquals(2, bench.queue.counters().completions());
  }

  @Test
  void everyFieldIsReadOnceAndTheElementIsWrittenBeforeTheIndex_2_7_8_2() {
    Bench bench = new Bench(8, true);
    bench.driver.begin().readable(A, 10).writable(B, 10).offer();
    bench.driver.publish();
    List<String> log = new ArrayList<>();
    long desc = bench.driver.descriptorArea();
    long avail = bench.driver.driverArea();
    long used = bench.driver.deviceArea();
    bench.bus.observe(
        (address, access) -> {
          if (address == used + 2) {
            assertEquals(10, bench.driver.usedElementLength(0), "element not written yet");
          }
          log.add(
              access
                  + (address >= used
                      ? " used+" + (address - used)
                      : address >= avail
                          ? " avail+" + (address - avail)
                          : " desc+" + (address - desc)));
        });
    bench.queue.next(bench.chain);
    bench.queue.complete(bench.chain, 10);
    bench.queue.publish();
    assertEquals(
        List.of(
            "READ avail+2",
            "READ avail+4",
            "READ desc+0",
            "READ desc+16",
            "WRITE used+4",
            "WRITE used+8",
            "WRITE used+2",
            "READ avail+20"),
        log);
  }

  @Test
  void aChainGivenBackIsTakenAgain() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().readable(A, 10).offer();
    bench.driver.begin().readable(B, 20).offer();
    bench.driver.publish();
    bench.queue.next(bench.chain);
    bench.queue.rewind(bench.chain);
    bench.queue.next(bench.chain);
    assertEquals(10, bench.chain.readableBytes());
    Chain second = new Chain(256);
    bench.queue.next(second);
    assertThrows(IllegalStateException.class, () -> bench.queue.rewind(bench.chain));
    assertEquals(2, bench.queue.counters().chains());
  }

  @Test
  void aChainIsCompletedOnce() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().writable(A, 10).offer();
    bench.driver.publish();
    bench.queue.next(bench.chain);
    assertThrows(IllegalArgumentException.class, () -> bench.queue.complete(bench.chain, 11));
    Chain never = new Chain(256);
    assertThrows(IllegalStateException.class, () -> bench.queue.complete(never, 0));
    bench.queue.complete(bench.chain, 10);
    assertThrows(IllegalStateException.class, () -> bench.queue.complete(bench.chain, 10));
  }

  @Test
  void withoutEventIdxFlagsDecideOnInterruptsAndKicks() {
    Bench bench = new Bench(8, false);
    assertTrue(bench.driver.publish(), "kicks are on at the start");
    bench.queue.disableKicks();
    bench.driver.begin().readable(A, 10).offer();
    assertFalse(bench.driver.publish());
    assertTrue(bench.queue.enableKicks(), "a chain came while kicks were off");
    assertEquals(0, bench.driver.usedFlags());
    bench.queue.next(bench.chain);
    assertFalse(bench.queue.enableKicks());
    bench.driver.disableInterrupts();
    bench.queue.complete(bench.chain, 0);
    assertFalse(bench.queue.publish());
    assertTrue(bench.driver.enableInterrupts(), "an element came while interrupts were off");
    assertEquals(1, bench.queue.counters().interruptsSuppressed());
  }

  @Test
  void withEventIdxTheFlagsStayZeroAndAreIgnored_2_7_7_2_and_2_7_10_2() {
    Bench bench = new Bench(8, true);
    bench.driver.rawAvailFlags(1);
    bench.queue.disableKicks();
    assertEquals(0, bench.driver.usedFlags());
    bench.driver.begin().readable(A, 10).offer();
    assertTrue(bench.driver.publish(), "avail_event is still 0");
    bench.driver.begin().readable(A, 10).offer();
    assertFalse(bench.driver.publish());
    bench.queue.next(bench.chain);
    assertTrue(bench.queue.enableKicks());
    assertEquals(1, bench.driver.availEvent());
    bench.queue.complete(bench.chain, 0);
    assertTrue(bench.queue.publish(), "used_event is still 0, and the flag is ignored");
    bench.queue.next(bench.chain);
    assertFalse(bench.queue.enableKicks());
    bench.queue.complete(bench.chain, 0);
    assertFalse(bench.queue.publish());
  }

  @Test
  void kicksFoundToBeNeedlessAreCounted() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().readable(A, 10).offer();
    bench.driver.begin().readable(A, 10).offer();
    bench.driver.publish();
    bench.queue.next(bench.chain);
    bench.queue.disableKicks();
    bench.queue.next(bench.chain);
    assertEquals(1, bench.queue.counters().kicksSuppressed());
    assertEquals(2, bench.queue.counters().chains());
  }

  @Test
  void spinSeesWhatNextWouldTake() {
    Bench bench = new Bench(8, false);
    assertFalse(bench.queue.spin(100));
    bench.driver.begin().readable(A, 10).offer();
    bench.driver.publish();
    assertTrue(bench.queue.spin(1));
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    assertFalse(bench.queue.spin(1));
    bench.queue.reset();
    assertFalse(bench.queue.spin(1));
  }

  @Test
  void aResetForgetsIndicesAndVoidsTakenChains() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().writable(A, 10).offer();
    bench.driver.publish();
    bench.queue.next(bench.chain);
    bench.queue.reset();
    assertEquals(QueueState.STOPPED, bench.queue.state());
    assertEquals(Outcome.EMPTY, bench.queue.next(new Chain(256)));
    assertFalse(bench.queue.enableKicks());
    bench.start(0);
    bench.queue.complete(bench.chain, 10);
    assertFalse(bench.queue.publish(), "the chain belongs to the run before");
    assertEquals(0, bench.driver.usedIdx());
    assertEquals(0, bench.queue.availIndex());
    assertEquals(0, bench.queue.usedIndex());
  }

  @Test
  void aResetForgetsWindowsKickSuppressionAndTheFault() {
    Bench bench = new Bench(8, false);
    moveOne(bench);
    bench.queue.disableKicks();
    bench.bus.fault(bench.driver.deviceArea(), DmaAccess.WRITE, DmaFault.NOT_PERMITTED);
    bench.queue.enableKicks();
    assertEquals(DmaFault.NOT_PERMITTED, bench.queue.fault());
    bench.bus.fault(bench.driver.deviceArea(), DmaAccess.WRITE, DmaFault.NONE);
    bench.queue.reset();
    assertEquals(DmaFault.NONE, bench.queue.fault());

    bench.start(0);
    moveOne(bench);
    bench.queue.disableKicks();
    bench.start(0);
    long before = bench.bus.resolutions();
    moveOne(bench);
    assertEquals(5, bench.bus.resolutions() - before, "each window once");
    assertEquals(0, bench.queue.counters().kicksSuppressed());
  }

  @Test
  void aBrokenQueueStaysBrokenUntilItIsResetAndThenWorks() {
    Bench bench = new Bench(8, false);
    bench.driver.offer(8);
    bench.driver.publish();
    assertEquals(Outcome.BROKEN, bench.queue.next(bench.chain));
    bench.driver.rawAvailEntry(0, 0);
    assertEquals(Outcome.BROKEN, bench.queue.next(bench.chain));
    assertEquals(1, bench.queue.counters().errors(QueueError.HEAD_OUT_OF_RANGE));
    assertTrue(bench.queue.spin(1), "next has BROKEN to say");
    bench.start(0);
    bench.driver.begin().readable(A, 10).offer();
    bench.driver.publish();
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    assertEquals(QueueError.NONE, bench.queue.error());
  }

  @Test
  void ringsOnScatteredPagesWorkToo() {
    Bench bench = new Bench(1024, true);
    bench.bus.scatter();
    for (int lap = 0; lap < 3; lap++) {
      for (int i = 0; i < 1024; i++) {
        bench.driver.begin().writable(A + i, 1).offer();
      }
      bench.driver.publish();
      for (int i = 0; i < 1024; i++) {
        assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
        bench.queue.complete(bench.chain, 1);
      }
      bench.queue.publish();
      int taken = 0;
      while (bench.driver.poll()) {
        assertEquals(1, bench.driver.usedLength());
        taken++;
      }
      assertEquals(1024, taken);
    }
  }

  @Test
  void windowsAreKeptUntilTheMappingsChange() {
    Bench bench = new Bench(8, true);
    for (int i = 0; i < 100; i++) {
      moveOne(bench);
    }
    assertEquals(5, bench.bus.resolutions(), "desc, avail, used, and the payload each way");
    bench.bus.generation().advance();
    moveOne(bench);
    assertEquals(10, bench.bus.resolutions());
    bench.bus.fault(bench.driver.descriptorArea(), DmaAccess.READ, DmaFault.NOT_MAPPED);
    bench.driver.begin().readable(A, 10).offer();
    bench.driver.publish();
    assertEquals(Outcome.BROKEN, bench.queue.next(bench.chain));
    assertEquals(QueueError.RING_UNREACHABLE, bench.queue.error());
    assertEquals(DmaFault.NOT_MAPPED, bench.queue.fault());
  }

  @Test
  void withoutBusMasteringNothingIsTakenAndNothingBreaks() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().readable(A, 10).offer();
    bench.driver.publish();
    bench.bus.busMaster(false);
    assertEquals(Outcome.BLOCKED, bench.queue.next(bench.chain));
    assertFalse(bench.queue.spin(1));
    assertFalse(bench.queue.enableKicks());
    bench.bus.busMaster(true);
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    bench.queue.complete(bench.chain, 0);
    bench.bus.busMaster(false);
    assertFalse(bench.queue.publish());
    bench.bus.busMaster(true);
    assertTrue(bench.queue.publish(), "what was completed is shown once the bus is there again");
    assertTrue(bench.driver.poll());
  }

  @Test
  void aPayloadFaultIsTheDevicesToJudge() {
    Bench bench = new Bench(8, false);
    bench.driver.begin().readable(0xFFFF_FFFF_F000L, 60).writable(B, 8).offer();
    bench.driver.publish();
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    MemorySegment local = MemorySegment.ofArray(new byte[64]);
    assertEquals(DmaFault.NO_MEMORY, bench.queue.gather(bench.chain, 0, local, 0, 60));
    bench.bus.fault(B, DmaAccess.WRITE, DmaFault.NOT_PERMITTED);
    assertEquals(DmaFault.NOT_PERMITTED, bench.queue.scatter(bench.chain, 0, local, 0, 8));
    assertEquals(2, bench.queue.counters().payloadFaults());
    assertEquals(QueueState.RUNNING, bench.queue.state());
  }

  private static void moveOne(Bench bench) {
    byte[] local = new byte[64];
    bench.driver.begin().readable(A, 10).writable(B, 10).offer();
    bench.driver.publish();
    assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
    bench.queue.gather(bench.chain, 0, MemorySegment.ofArray(local), 0, 10);
    bench.queue.scatter(bench.chain, 0, MemorySegment.ofArray(local), 0, 10);
    bench.queue.complete(bench.chain, 10);
    bench.queue.publish();
    assertTrue(bench.driver.poll());
  }

  private static List<Long> addresses(Chain chain) {
    List<Long> addresses = new ArrayList<>();
    for (int i = 0; i < chain.parts(); i++) {
      addresses.add(chain.address(i));
    }
    return addresses;
  }

  private static byte[] pattern(int length, int seed) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i * 31 + seed);
    }
    return bytes;
  }

  private static byte[] slice(byte[] bytes, int length) {
    return java.util.Arrays.copyOf(bytes, length);
  }

  @Test
  void chainsThatTheDriverHasNotSeenAreTakenBack() {
    Bench bench = new Bench(8, true);
    int first = bench.driver.begin().writable(A, 10).offer();
    int second = bench.driver.begin().writable(B, 10).offer();
    bench.driver.publish();
    int[] heads = {first, second};
    bench.queue.next(bench.chain);
    bench.queue.stage(bench.chain, 10);
    bench.queue.next(bench.chain);
    bench.queue.stage(bench.chain, 5);
    bench.queue.takeBack(heads, 2);
    assertFalse(bench.queue.publish());
    assertFalse(bench.driver.poll());
    assertEquals(0, bench.queue.counters().chains());
    for (int head : heads) {
      assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
      assertEquals(head, bench.chain.head());
      bench.queue.complete(bench.chain, 7);
    }
    bench.queue.publish();
    assertTrue(bench.driver.poll());
    assertEquals(7, bench.driver.usedLength());
    assertThrows(IllegalStateException.class, () -> bench.queue.takeBack(heads, 1));
  }

  @Test
  void aDeviceThatWantsMoreThanItHasSeenIsKickedForWhatComesNext() {
    for (boolean eventIdx : new boolean[] {false, true}) {
      Bench bench = new Bench(8, eventIdx);
      bench.driver.begin().writable(A, 10).offer();
      bench.driver.publish();
      assertTrue(bench.queue.enableKicks(), "there is one");
      assertFalse(bench.queue.enableKicksForMore(), "there is no other");
      assertFalse(bench.queue.look());
      bench.driver.begin().writable(B, 10).offer();
      assertTrue(bench.driver.publish(), "the driver must kick, eventIdx=" + eventIdx);
      assertTrue(bench.queue.look());
      assertFalse(bench.queue.look());
      bench.driver.begin().writable(C, 10).offer();
      bench.driver.publish();
      assertTrue(bench.queue.enableKicksForMore(), "it came before the wish");
    }
  }
}
