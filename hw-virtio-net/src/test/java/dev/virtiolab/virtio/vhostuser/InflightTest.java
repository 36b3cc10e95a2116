package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.Served.until;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.OwnedFd;
import dev.virtiolab.virtio.fixture.FrontEnd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is in flight is known to whoever comes after, wherever this one was interrupted. */
class InflightTest {
  private static final int SIZE = 16;

  @TempDir Path folder;

  private final MemorySegment memory =
      Arena.ofAuto().allocate(InflightRegion.bytes(SIZE), InflightRegion.ALIGNMENT);

  /** struct QueueRegionSplit and DescStateSplit, stated again: 16 bytes, then 16 each. */
  @Test
  void layout() throws RefusedException {
    InflightRegion region = new InflightRegion(memory, SIZE);
    assertArrayEquals(new int[0], region.recover(7));
    assertEquals(1, memory.get(ValueLayout.JAVA_SHORT, 8), "version");
    assertEquals(SIZE, memory.get(ValueLayout.JAVA_SHORT, 10), "desc_num");
    assertEquals(7, memory.get(ValueLayout.JAVA_SHORT, 14), "used_idx");
    region.taken(3);
    region.taken(5);
    assertEquals(1, memory.get(ValueLayout.JAVA_BYTE, 16 + 3 * 16), "inflight");
    assertEquals(0, memory.get(ValueLayout.JAVA_LONG, 16 + 3 * 16 + 8), "counter");
    assertEquals(1, memory.get(ValueLayout.JAVA_LONG, 16 + 5 * 16 + 8), "counter");
    region.used(5);
    region.used(3);
    assertEquals(3, memory.get(ValueLayout.JAVA_SHORT, 12), "last_batch_head");
    assertEquals(5, memory.get(ValueLayout.JAVA_SHORT, 16 + 3 * 16 + 6), "next");
    assertEquals(1, memory.get(ValueLayout.JAVA_BYTE, 16 + 3 * 16), "until the driver sees it");
    region.published(9);
    assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 16 + 3 * 16));
    assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 16 + 5 * 16));
    assertEquals(9, memory.get(ValueLayout.JAVA_SHORT, 14));
    assertEquals(320, InflightRegion.bytes(SIZE), "16 + 16 * 16, in whole 64 bytes");
  }

  /** Between any two steps of any history the next back-end finds just what is not used yet. */
  @Test
  void aCrashAtAnyPointOfAnyHistory() throws RefusedException {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("InflightTest: -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    for (int history = 0; history < 200; history++) {
      memory.fill((byte) 0);
      int usedIndex = random.nextInt(0x10000);
      InflightRegion region = new InflightRegion(memory, SIZE);
      region.recover(usedIndex);
      List<Integer> taken = new ArrayList<>(); // in order
      List<Integer> batch = new ArrayList<>(); // used, not shown
      List<Integer> free = new ArrayList<>();
      for (int i = 0; i < SIZE; i++) {
        free.add(i);
      }
      for (int step = 0; step < 100; step++) {
        switch (random.nextInt(6)) {
          case 0, 1 -> {
            if (!free.isEmpty()) {
              int head = free.remove(random.nextInt(free.size()));
              region.taken(head);
              taken.add(head);
            }
          }
          case 2 -> {
            if (!taken.isEmpty() && batch.isEmpty()) {
              int head = taken.removeLast();
              region.givenBack(head);
              free.add(head);
            }
          }
          case 3 -> {
            List<Integer> open = new ArrayList<>(taken);
            open.removeAll(batch);
            if (!open.isEmpty()) {
              int head = open.get(random.nextInt(open.size()));
              region.used(head);
              batch.add(head);
            }
          }
          case 4 -> {
            usedIndex = usedIndex + batch.size() & 0xffff;
            region.published(usedIndex);
            taken.removeAll(batch);
            free.addAll(batch);
            batch.clear();
          }
          default -> {
            // A crash. Perhaps the ring's index was stored and nothing was struck off here.
            boolean shown = random.nextBoolean();
            if (shown) {
              usedIndex = usedIndex + batch.size() & 0xffff;
              taken.removeAll(batch);
              free.addAll(batch);
            }
            batch.clear();
            region = new InflightRegion(memory, SIZE);
            int[] found = region.recover(usedIndex);
            assertArrayEquals(
                taken.stream().mapToInt(Integer::intValue).toArray(), found, "history " + history);
          }
        }
      }
    }
  }

  @Test
  void anotherRingsRegionIsRefusedAndGarbageIsBounded() throws RefusedException {
    new InflightRegion(memory, SIZE).recover(0);
    memory.set(ValueLayout.JAVA_SHORT, 10, (short) (SIZE - 1));
    assertThrows(RefusedException.class, () -> new InflightRegion(memory, SIZE).recover(0));
    memory.set(ValueLayout.JAVA_SHORT, 8, (short) 2);
    assertThrows(RefusedException.class, () -> new InflightRegion(memory, SIZE).recover(0));
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < 1000; i++) {
      for (long at = 0; at < memory.byteSize(); at += 8) {
        memory.set(ValueLayout.JAVA_LONG, at, random.nextLong());
      }
      memory.set(ValueLayout.JAVA_SHORT, 8, (short) 1);
      memory.set(ValueLayout.JAVA_SHORT, 10, (short) SIZE);
      int[] heads = new InflightRegion(memory, SIZE).recover(random.nextInt(0x10000));
      assertTrue(heads.length <= SIZE);
      for (int head : heads) {
        assertTrue(head >= 0 && head < SIZE);
      }
    }
  }

  /** The whole way: handed over, given back by a front-end that comes again, gone on with. */
  @Test
  void aFrontEndThatComesAgainBringsItAlong() throws Exception {
    try (Served served = new Served(folder)) {
      FrontEnd before = served.connect();
      before.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL).shareMemory();
      ByteBuffer ask = FrontEnd.payload(24).putShort(16, (short) 2).putShort(18, (short) 256);
      FrontEnd.Reply handed = before.ask(FrontEnd.GET_INFLIGHT_FD, ask);
      assertEquals(2 * 4160, handed.payload().getLong(0), "16 + 256 * 16, in whole 64 bytes");
      try (OwnedFd shared = before.fds.take(0)) {
        before.mustTell(FrontEnd.SET_INFLIGHT_FD, handed.payload(), shared.number());
        before.makeRing(FrontEnd.RX, 256, false);
        before.makeRing(FrontEnd.TX, 256, false);
        before.startRing(FrontEnd.RX, 0);
        before.startRing(FrontEnd.TX, 0);
        for (int i = 0; i < 300; i++) {
          assertTrue(served.passes(before, i));
        }
        // A frame that the wire does not take stays where it is: it is not in flight.
        served.wire.refuseAll();
        before.offerTransmit(3, Served.frame(60, 99));
        until("held", () -> served.device.counters().heldBack() > 0);
        before.hangUp();
        until("let go", () -> Served.foreignMaps() == 1);
        // As if the back-end had died with one chain taken and one used: the other is due again.
        var memory = dev.virtiolab.posix.ForeignMemory.map(shared, false);
        long tx = 4160;
        MemorySegment region = memory.segment().asSlice(tx, 4160);
        assertEquals(1, region.get(ValueLayout.JAVA_SHORT, 8));
        assertEquals(300, region.get(ValueLayout.JAVA_SHORT, 14) & 0xffff);
        for (int i = 0; i < 256; i++) {
          assertEquals(0, region.get(ValueLayout.JAVA_BYTE, 16 + 16L * i), "descriptor " + i);
        }
        // Where a predecessor had taken it, the head is only there.
        int head = headOffered(before);
        before.rings[FrontEnd.TX].rawAvailEntry(300 & 255, 0x7777 & 255);
        region.set(ValueLayout.JAVA_LONG, 16 + 16L * head + 8, 4711);
        region.set(ValueLayout.JAVA_BYTE, 16 + 16L * head, (byte) 1);
        memory.close();
        served.wire.makeRoom();
        try (FrontEnd again = FrontEnd.again(served.path, before)) {
          again.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL).shareMemory();
          again.mustTell(FrontEnd.SET_INFLIGHT_FD, handed.payload(), shared.number());
          again.rings[0] = before.rings[0];
          again.rings[1] = before.rings[1];
          again.startRing(FrontEnd.TX, 301);
          until("sent", () -> served.wire.sentCount() == 301);
          assertArrayEquals(Served.frame(60, 99), served.wire.sent().getLast());
          assertEquals(301, again.stopRing(FrontEnd.TX));
        }
      } finally {
        before.close();
      }
    }
  }

  /** The head of the chain that was offered last. */
  private static int headOffered(FrontEnd peer) {
    long entry = peer.rings[FrontEnd.TX].driverArea() + 4 + 2 * (300 & 255) - FrontEnd.GUEST_BASE;
    return peer.ram.get(ValueLayout.JAVA_SHORT, entry);
  }
}
