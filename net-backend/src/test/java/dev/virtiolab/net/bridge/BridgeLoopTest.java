package dev.virtiolab.net.bridge;

import static dev.virtiolab.net.bridge.Ethernet.BROADCAST;
import static dev.virtiolab.net.bridge.Ethernet.frame;
import static dev.virtiolab.net.bridge.Ethernet.station;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.fixture.ScriptedBackend;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

class BridgeLoopTest {
  private static final int MAX = 256;
  private static final long LONG_ENOUGH_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final ValueLayout.OfInt NUMBER =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  @Test
  void sleepingLoopIsWokenByAFrameOfEitherKindOfPort() {
    ScriptedBackend polled = ScriptedBackend.withReadableFd();
    ScriptedBackend told = new ScriptedBackend();
    try (BridgeLoop loop = BridgeLoop.start(new LearningBridge(List.of(polled, told)))) {
      for (int i = 1; i <= 100; i++) {
        await(loop::sleeping, "the loop never sleeps");
        polled.deliver(frame(BROADCAST, station(1), i));
        int expected = i;
        await(() -> told.sentCount() == expected, "the descriptor does not wake the loop");
        await(loop::sleeping, "the loop never sleeps");
        told.deliver(frame(BROADCAST, station(2), i));
        await(() -> polled.sentCount() == expected, "onReady does not wake the loop");
      }
      assertTrue(loop.sleeps() > 0);
    }
    assertTrue(polled.isClosed() && told.isClosed());
  }

  @Test
  void loopNoticesALinkThatGoesDownWhileItSleeps() {
    ScriptedBackend one = new ScriptedBackend();
    ScriptedBackend two = new ScriptedBackend();
    ScriptedBackend three = new ScriptedBackend();
    try (BridgeLoop loop = BridgeLoop.start(new LearningBridge(List.of(one, two, three)))) {
      one.deliver(frame(BROADCAST, station(1), 1));
      await(() -> two.sentCount() == 1, "not relayed");
      await(loop::sleeping, "the loop never sleeps");
      long before = loop.sleeps();
      one.link(false);
      await(() -> loop.sleeps() > before, "the link's word does not wake the loop");
      one.link(true);
      two.deliver(frame(station(1), station(2), 2));
      await(() -> three.sentCount() == 2, "station 1 is still remembered");
    }
  }

  @Test
  void closingTwiceIsClosingOnceAndAWakeUpAfterwardsIsHarmless() {
    LoopbackBackend.Pair pair = LoopbackBackend.pair(4, MAX);
    BridgeLoop loop = BridgeLoop.start(new LearningBridge(List.of(pair.left())));
    loop.close();
    loop.close();
    assertFalse(loop.running());
    assertFalse(pair.right().linkUp());
    pair.right().close();
  }

  @Test
  void loopThatDiesOfABugSaysSoWhenItIsClosed() {
    ScriptedBackend broken = new ScriptedBackend();
    BridgeLoop loop = BridgeLoop.start(new LearningBridge(List.of(broken)));
    await(loop::sleeping, "the loop never sleeps");
    // A port that somebody else has closed.
    broken.close();
    broken.link(false);
    await(() -> !loop.running(), "the loop lives on");
    assertThrows(IllegalStateException.class, loop::close);
  }

  /** Three threads and the bridge's: what arrives is whole and in order, the rest is counted. */
  @Test
  void framesOfTwoSendersReachTheThirdInOrderOrAreCounted() throws InterruptedException {
    int frames = 50_000;
    LoopbackBackend.Pair[] wires = new LoopbackBackend.Pair[3];
    for (int i = 0; i < wires.length; i++) {
      wires[i] = LoopbackBackend.pair(64, MAX);
    }
    LearningBridge bridge =
        new LearningBridge(List.of(wires[0].left(), wires[1].left(), wires[2].left()));
    NetBackend receiver = wires[2].right();
    try (BridgeLoop loop = BridgeLoop.start(bridge)) {
      // The receiver is heard once, so that nothing is flooded.
      assertTrue(put(receiver, frame(BROADCAST, station(3), 0)));
      await(() -> bridge.counters(2).learned() == 1, "the receiver was not heard");
      Thread one = sender(wires[0].right(), station(1), frames);
      Thread two = sender(wires[1].right(), station(2), frames);
      int[] last = {-1, -1};
      long[] received = {0};
      await(
          () -> {
            while (receiver.peek() > 0) {
              MemorySegment memory = receiver.peeked();
              long at = receiver.peekedOffset();
              int source = memory.get(ValueLayout.JAVA_BYTE, at + 11) - 1;
              int number = memory.get(NUMBER, at + 14);
              assertTrue(number > last[source], "reordered or twice");
              assertEquals((byte) (number + 59), memory.get(ValueLayout.JAVA_BYTE, at + 59));
              last[source] = number;
              receiver.release();
              received[0]++;
            }
            return received[0] + bridge.counters(2).noRoom() == 2L * frames;
          },
          "a frame is missing and not counted");
      one.join();
      two.join();
      assertTrue(received[0] > 0);
      assertEquals(frames, loop.bridge().counters(0).relayed());
    } finally {
      for (LoopbackBackend.Pair wire : wires) {
        wire.right().close();
      }
    }
  }

  private static Thread sender(NetBackend end, long station, int frames) {
    return Thread.ofPlatform()
        .daemon()
        .start(
            () -> {
              for (int number = 0; number < frames; ) {
                if (put(end, frame(station(3), station, number))) {
                  number++;
                } else {
                  Thread.onSpinWait();
                }
              }
            });
  }

  private static boolean put(NetBackend end, byte[] frame) {
    if (!end.claim(frame.length)) {
      return false;
    }
    MemorySegment.copy(
        frame, 0, end.claimed(), ValueLayout.JAVA_BYTE, end.claimedOffset(), frame.length);
    end.commit();
    end.flush();
    return true;
  }

  private static void await(BooleanSupplier condition, String otherwise) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() - start < LONG_ENOUGH_NANOS, otherwise);
      Thread.onSpinWait();
    }
  }
}
