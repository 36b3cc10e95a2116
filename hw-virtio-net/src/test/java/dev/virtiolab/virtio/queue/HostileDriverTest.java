package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/**
 * What QEMU 11.1 answers to hostile rings (the rows of its T10, by name), and more. Where it flags
 * DEVICE_NEEDS_RESET the queue breaks; where it does not, the queue goes on.
 */
class HostileDriverTest {
  private static final int NEXT = 1;
  private static final int WRITE = 2;
  private static final int INDIRECT = 4;
  private static final long A = Bench.BUFFERS;
  private static final long TABLE = Bench.BUFFERS + 0x8000;

  private final Bench bench = new Bench(256, false);

  @Test
  void availIdxJumpsBeyondTheQueueBreaks_asTheSpecificationAndNotQemu() {
    bench.driver.rawAvailIdx(300);
    expect(QueueError.AVAIL_JUMP);
  }

  @Test
  void availIdxOneBeyondTheQueueBreaksAndExactlyTheQueueDoesNot() {
    bench.driver.rawDescriptor(0, A, 60, 0, 0);
    bench.driver.rawAvailIdx(256);
    expect(QueueError.NONE);
    bench.start(0);
    bench.driver.rawAvailIdx(257);
    expect(QueueError.AVAIL_JUMP);
  }

  @Test
  void availIdxThatGoesBackBreaks_2_7_6_1() {
    bench.driver.rawDescriptor(0, A, 60, 0, 0);
    bench.driver.rawAvailIdx(2);
    expect(QueueError.NONE);
    expect(QueueError.NONE);
    bench.driver.rawAvailIdx(1);
    expect(QueueError.AVAIL_JUMP);
  }

  @Test
  void whatIsTakenAndNotYetUsedCountsAgainstTheQueue() {
    bench.driver.rawDescriptor(0, A, 60, 0, 0);
    bench.driver.rawAvailIdx(256);
    for (int i = 0; i < 256; i++) {
      expect(QueueError.NONE);
    }
    bench.driver.rawAvailIdx(257);
    expect(QueueError.AVAIL_JUMP);
  }

  @Test
  void headIndexEqualToTheSizeBreaks() {
    bench.driver.offer(256);
    bench.driver.publish();
    expect(QueueError.HEAD_OUT_OF_RANGE);
  }

  @Test
  void nextOutOfRangeBreaks() {
    offer(A, 12, NEXT, 5000);
    expect(QueueError.NEXT_OUT_OF_RANGE);
    bench.start(0);
    offer(A, 12, NEXT, 256);
    expect(QueueError.NEXT_OUT_OF_RANGE);
  }

  @Test
  void descriptorLoopBreaks() {
    bench.driver.rawDescriptor(1, A, 60, NEXT, 0);
    offer(A, 12, NEXT, 1);
    expect(QueueError.CHAIN_TOO_LONG);
  }

  @Test
  void descriptorThatFollowsItselfBreaks() {
    offer(A, 12, NEXT, 0);
    expect(QueueError.CHAIN_TOO_LONG);
  }

  @Test
  void loopInsideAnIndirectTableBreaks() {
    bench.driver.rawEntry(TABLE, 0, A, 1, NEXT, 1);
    bench.driver.rawEntry(TABLE, 1, A, 1, NEXT, 0);
    offer(TABLE, 32, INDIRECT, 0);
    expect(QueueError.CHAIN_TOO_LONG);
  }

  @Test
  void indirectChainLongerThanTheQueueBreaks_2_7_5_3_1() {
    for (int i = 0; i < 257; i++) {
      bench.driver.rawEntry(TABLE, i, A, 1, i < 256 ? NEXT : 0, i + 1);
    }
    offer(TABLE, 16 * 257, INDIRECT, 0);
    expect(QueueError.CHAIN_TOO_LONG);
    bench.start(0);
    bench.driver.rawEntry(TABLE, 255, A, 1, 0, 0);
    offer(TABLE, 16 * 257, INDIRECT, 0);
    expect(QueueError.NONE);
    assertEquals(256, bench.chain.parts());
  }

  @Test
  void zeroLengthBreaks() {
    offer(A, 0, 0, 0);
    expect(QueueError.ZERO_LENGTH);
  }

  @Test
  void writableBeforeReadableBreaks() {
    bench.driver.rawDescriptor(1, A, 60, 0, 0);
    offer(A, 12, NEXT | WRITE, 1);
    expect(QueueError.READABLE_AFTER_WRITABLE);
  }

  @Test
  void onlyWritableIsForTheDeviceToJudge() {
    offer(A, 12, WRITE, 0);
    expect(QueueError.NONE);
    assertEquals(0, bench.chain.readableParts());
  }

  @Test
  void headerTooShortAndHeaderOnlyAreForTheDeviceToJudge() {
    offer(A, 5, 0, 0);
    expect(QueueError.NONE);
    bench.start(0);
    offer(A, 12, 0, 0);
    expect(QueueError.NONE);
  }

  @Test
  void unmappedPayloadIsDroppedAndCompleted() {
    offer(0xFFFF_FFFF_F000L, 72, 0, 0);
    expect(QueueError.NONE);
    assertEquals(
        DmaFault.NO_MEMORY,
        bench.queue.gather(bench.chain, 0, MemorySegment.ofArray(new byte[72]), 0, 72));
    bench.queue.complete(bench.chain, 0);
    bench.queue.publish();
    assertEquals(1, bench.driver.usedIdx());
    assertEquals(QueueState.RUNNING, bench.queue.state());
  }

  @Test
  void payloadAtTheLastAddressesFaultsAndDoesNotWrap() {
    for (long address : new long[] {-1, -72, Long.MIN_VALUE, Long.MAX_VALUE, Bench.BASE - 1}) {
      bench.start(0);
      offer(address, address == -1 ? 1 : 72, 0, 0);
      expect(QueueError.NONE);
      int bytes = bench.chain.readableBytes();
      assertEquals(
          DmaFault.NO_MEMORY,
          bench.queue.gather(bench.chain, 0, MemorySegment.ofArray(new byte[72]), 0, bytes),
          "address=" + Long.toHexString(address));
    }
  }

  @Test
  void payloadThatRunsOutOfRamFaultsWhereRamEnds() {
    offer(Bench.BASE + Bench.BYTES - 10, 11, 0, 0);
    expect(QueueError.NONE);
    assertEquals(
        DmaFault.NO_MEMORY,
        bench.queue.gather(bench.chain, 0, MemorySegment.ofArray(new byte[72]), 0, 11));
  }

  @Test
  void lengthFfffffffBreaks() {
    offer(A, 0xFFFF_FFFF, 0, 0);
    expect(QueueError.TOTAL_LENGTH);
  }

  @Test
  void lengthsThatAddUpToMoreThanTheBoundBreak() {
    bench.driver.rawDescriptor(1, A, 2, 0, 0);
    offer(A, Integer.MAX_VALUE - 1, NEXT, 1);
    expect(QueueError.TOTAL_LENGTH);
    bench.start(0);
    bench.driver.rawDescriptor(1, A, 1, WRITE, 0);
    offer(A, Integer.MAX_VALUE - 1, NEXT, 1);
    expect(QueueError.NONE);
  }

  @Test
  void aBufferOverTheEndOfTheAddressSpaceBreaks() {
    offer(-1, 2, 0, 0);
    expect(QueueError.ADDRESS_WRAP);
    bench.start(0);
    offer(-16, 32, INDIRECT, 0);
    expect(QueueError.ADDRESS_WRAP);
  }

  @Test
  void indirectTableLengthNoMultipleOf16OrZeroBreaks() {
    for (int length : new int[] {0, 1, 15, 17, 24, 0xFFFF_FFFF}) {
      bench.start(0);
      offer(TABLE, length, INDIRECT, 0);
      expect(QueueError.INDIRECT_BAD_LENGTH);
    }
  }

  @Test
  void indirectWithNextBreaks() {
    offer(TABLE, 16, INDIRECT | NEXT, 1);
    expect(QueueError.INDIRECT_WITH_NEXT);
  }

  @Test
  void indirectNotNegotiatedBreaks() {
    bench.queue.configure(
        256,
        bench.driver.descriptorArea(),
        bench.driver.driverArea(),
        bench.driver.deviceArea(),
        false,
        false);
    offer(TABLE, 16, INDIRECT, 0);
    expect(QueueError.INDIRECT_NOT_NEGOTIATED);
  }

  @Test
  void indirectInsideIndirectBreaks() {
    bench.driver.rawEntry(TABLE, 0, TABLE, 16, INDIRECT, 0);
    offer(TABLE, 16, INDIRECT, 0);
    expect(QueueError.INDIRECT_NESTED);
  }

  @Test
  void nextOutsideTheIndirectTableBreaksThoughItIsInsideTheQueue() {
    bench.driver.rawEntry(TABLE, 0, A, 1, NEXT, 2);
    offer(TABLE, 32, INDIRECT, 0);
    expect(QueueError.NEXT_OUT_OF_RANGE);
  }

  @Test
  void unreachableIndirectTableBreaks() {
    offer(0xFFFF_FFFF_F000L, 16, INDIRECT, 0);
    expect(QueueError.RING_UNREACHABLE);
    assertEquals(DmaFault.NO_MEMORY, bench.queue.fault());
    bench.start(0);
    // Half a descriptor in RAM.
    long last = Bench.BASE + Bench.BYTES - 8;
    offer(last, 16, INDIRECT, 0);
    expect(QueueError.RING_UNREACHABLE);
    bench.start(0);
    offer(last + 1, 16, INDIRECT, 0);
    expect(QueueError.RING_UNREACHABLE);
  }

  @Test
  void ringsOutsideRamBreakWhenTheyAreFirstUsed() {
    long outside = Bench.BASE + Bench.BYTES;
    long[] good = {
      bench.driver.descriptorArea(), bench.driver.driverArea(), bench.driver.deviceArea()
    };
    bench.driver.rawDescriptor(0, A, 60, 0, 0);
    for (int area = 0; area < 3; area++) {
      long[] areas = good.clone();
      areas[area] = outside;
      bench.queue.configure(256, areas[0], areas[1], areas[2], false, true);
      bench.driver.rawAvailIdx(1);
      if (area == 2) {
        expect(QueueError.NONE);
        bench.queue.complete(bench.chain, 0);
        assertFalse(bench.queue.publish());
      } else {
        assertEquals(Outcome.BROKEN, bench.queue.next(bench.chain));
      }
      assertEquals(QueueState.BROKEN, bench.queue.state(), "area=" + area);
      assertEquals(QueueError.RING_UNREACHABLE, bench.queue.error());
      assertEquals(DmaFault.NO_MEMORY, bench.queue.fault());
    }
  }

  @Test
  void aUsedRingThatIsReadOnlyForTheDeviceBreaksIt() {
    bench.bus.fault(bench.driver.deviceArea(), DmaAccess.WRITE, DmaFault.NOT_PERMITTED);
    bench.queue.disableKicks();
    assertEquals(QueueError.RING_UNREACHABLE, bench.queue.error());
    assertEquals(DmaFault.NOT_PERMITTED, bench.queue.fault());
  }

  @Test
  void aRingThatCannotBeIsRefusedWithoutTouchingMemory() {
    refuse(QueueError.BAD_SIZE, 0, 0, 0, 0);
    refuse(QueueError.BAD_SIZE, 3, 0, 0, 0);
    refuse(QueueError.BAD_SIZE, -1, 0, 0, 0);
    refuse(QueueError.BAD_SIZE, Integer.MIN_VALUE, 0, 0, 0);
    refuse(QueueError.BAD_SIZE, 512, 0, 0, 0);
    refuse(QueueError.RING_MISALIGNED, 256, 8, 0, 0);
    refuse(QueueError.RING_MISALIGNED, 256, 0, 1, 0);
    refuse(QueueError.RING_MISALIGNED, 256, 0, 0, 2);
    refuse(QueueError.RING_UNREACHABLE, 256, -16, 0, 0);
    refuse(QueueError.RING_UNREACHABLE, 256, 0, -2, 0);
    refuse(QueueError.RING_UNREACHABLE, 256, 0, 0, -4);
  }

  @Test
  void buffersThatLieInTheRingsAreBuffersLikeAnyOther() {
    offer(bench.driver.descriptorArea(), 4096, 0, 0);
    bench.driver.rawDescriptor(1, bench.driver.deviceArea(), 64, WRITE, 0);
    bench.driver.offer(1);
    bench.driver.publish();
    byte[] local = new byte[4096];
    expect(QueueError.NONE);
    assertEquals(
        DmaFault.NONE, bench.queue.gather(bench.chain, 0, MemorySegment.ofArray(local), 0, 4096));
    bench.queue.complete(bench.chain, 0);
    expect(QueueError.NONE);
    bench.queue.scatter(bench.chain, 0, MemorySegment.ofArray(new byte[64]), 0, 64);
    bench.queue.complete(bench.chain, 64);
    bench.queue.publish();
    assertEquals(2, bench.driver.usedIdx(), "the index is the device's own, not read back");
  }

  private void refuse(QueueError why, int size, long desc, long avail, long used) {
    long before = bench.bus.resolutions();
    assertFalse(bench.queue.configure(size, desc, avail, used, true, true));
    assertEquals(why, bench.queue.error());
    assertEquals(Outcome.BROKEN, bench.queue.next(bench.chain));
    assertEquals(before, bench.bus.resolutions());
  }

  /** Descriptor 0, offered and shown. */
  private void offer(long address, int length, int flags, int next) {
    bench.driver.rawDescriptor(0, address, length, flags, next);
    bench.driver.offer(0);
    bench.driver.publish();
  }

  /** Takes a chain: broken as {@code error} says, or well if NONE. */
  private void expect(QueueError error) {
    long before = bench.queue.counters().errors(error);
    Outcome outcome = bench.queue.next(bench.chain);
    assertEquals(error, bench.queue.error());
    assertEquals(error == QueueError.NONE ? Outcome.CHAIN : Outcome.BROKEN, outcome);
    assertEquals(error == QueueError.NONE ? 0 : 1, bench.queue.counters().errors(error) - before);
    if (error != QueueError.NONE) {
      assertEquals(Outcome.BROKEN, bench.queue.next(bench.chain));
      assertFalse(bench.queue.publish());
    }
  }
}
