package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.TX;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Random histories of calls and of an honest device, side by side with a plain model of what UEFI
 * says an interface does. A history is repeated with {@code -Dvirtiolab.seed=N}.
 */
class SnpHistoryTest {
  private static final int HISTORIES = 60;
  private static final int STEPS = 2_000;
  private static final long TARGET = 0x10_000;
  private static final int FRAME = 64;

  /** The interface as the specification tells it. */
  private static final class Model {
    State state = State.STOPPED;

    /** Sent and not handed back yet, in no order. */
    final List<Long> inFlight = new ArrayList<>();

    /** Transmitted by the device and not handed back, oldest first. */
    final Deque<Long> done = new ArrayDeque<>();

    /** Delivered by the device and not received; by the tag in the frame. */
    final Deque<Integer> arrived = new ArrayDeque<>();

    final Deque<MacAddress> destinations = new ArrayDeque<>();
    MacAddress station = NetBench.STATION;
    boolean promiscuous;

    boolean accepts(MacAddress destination) {
      return promiscuous || destination.equals(station) || destination.isMulticast();
    }

    /** What waits first, once what the filter keeps out is gone. */
    Integer next() {
      while (!arrived.isEmpty() && !accepts(destinations.peek())) {
        arrived.remove();
        destinations.remove();
      }
      return arrived.peek();
    }

    void emptyQueues() {
      inFlight.clear();
      done.clear();
      arrived.clear();
      destinations.clear();
    }

    EfiStatus gate() {
      return switch (state) {
        case STOPPED -> EfiStatus.NOT_STARTED;
        case STARTED -> EfiStatus.DEVICE_ERROR;
        case INITIALIZED -> EfiStatus.SUCCESS;
      };
    }
  }

  @Test
  void anInterfaceDoesWhatTheModelSaysOverRandomHistories() {
    SplittableRandom random = Seed.random("SnpHistoryTest");
    for (int history = 0; history < HISTORIES; history++) {
      run(random.split(), "history=" + history);
    }
  }

  private static void run(SplittableRandom random, String where) {
    NetBench bench = new NetBench();
    bench.card.queueSizes[0] = 2 << random.nextInt(9);
    bench.card.queueSizes[1] = 2 << random.nextInt(9);
    bench.connected();
    int txPending = Math.min(64, bench.card.queueSizes[1] / 2);
    Model model = new Model();
    // What the device has popped and not completed: head by buffer.
    Map<Long, Integer> popped = new HashMap<>();
    long idlePages = bench.pagesInUse();
    int tag = 0;
    for (int step = 0; step < STEPS; step++) {
      String at = where + " step=" + step;
      SimpleNetwork snp = bench.snp;
      switch (random.nextInt(24)) {
        case 0 -> {
          EfiStatus expected =
              model.state == State.STOPPED ? EfiStatus.SUCCESS : EfiStatus.ALREADY_STARTED;
          assertEquals(expected, snp.start(), at);
          model.state = model.state == State.STOPPED ? State.STARTED : model.state;
        }
        case 1 -> {
          if (random.nextInt(10) == 0) {
            EfiStatus expected =
                model.state == State.STARTED ? EfiStatus.SUCCESS : EfiStatus.NOT_STARTED;
            assertEquals(expected, snp.stop(), at);
            model.state = model.state == State.STARTED ? State.STOPPED : model.state;
          }
        }
        case 2 -> {
          EfiStatus expected =
              model.state == State.STARTED ? EfiStatus.SUCCESS : EfiStatus.NOT_STARTED;
          assertEquals(expected, snp.initialize(0, 0), at);
          model.state = expected == EfiStatus.SUCCESS ? State.INITIALIZED : model.state;
        }
        case 3 -> {
          if (random.nextInt(10) == 0) {
            assertEquals(model.gate(), snp.shutdown(), at);
            if (model.state == State.INITIALIZED) {
              model.state = State.STARTED;
              model.emptyQueues();
              popped.clear();
            }
          }
        }
        case 4 -> {
          if (random.nextInt(10) == 0) {
            assertEquals(model.gate(), snp.reset(random.nextBoolean()), at);
            if (model.state == State.INITIALIZED) {
              model.emptyQueues();
              popped.clear();
            }
          }
        }
        case 5 -> {
          boolean on = random.nextBoolean();
          int bit = SimpleNetwork.RECEIVE_PROMISCUOUS;
          assertEquals(
              model.gate(), snp.receiveFilters(on ? bit : 0, on ? 0 : bit, false, null), at);
          if (model.state == State.INITIALIZED) {
            model.promiscuous = on;
          }
        }
        case 6 -> {
          MacAddress station = random.nextBoolean() ? NetBench.STATION : NetBench.PEER;
          assertEquals(model.gate(), snp.stationAddress(false, station), at);
          if (model.state == State.INITIALIZED) {
            model.station = station;
          }
        }
        case 7, 8, 9, 10, 11 -> {
          long frame = bench.frame(NetBench.PEER, FRAME);
          EfiStatus expected = model.gate();
          if (!expected.isError() && model.inFlight.size() + model.done.size() == txPending) {
            expected = EfiStatus.NOT_READY;
          }
          assertEquals(expected, bench.send(frame, FRAME), at);
          if (!expected.isError()) {
            model.inFlight.add(frame);
          }
        }
        case 12, 13, 14, 15 -> {
          if (model.state == State.INITIALIZED) {
            for (int head = bench.card.pop(TX); head >= 0; head = bench.card.pop(TX)) {
              bench.card.checkTransmit(head);
              popped.put(bench.card.bufferOf(TX, head, 1), head);
            }
            // Some of them, in any order.
            for (int n = random.nextInt(1 + model.inFlight.size()); n > 0; n--) {
              long buffer = model.inFlight.remove(random.nextInt(model.inFlight.size()));
              bench.card.complete(TX, popped.remove(buffer), 0);
              model.done.add(buffer);
            }
          }
        }
        case 16, 17, 18, 19 -> {
          LongRef buffer = new LongRef(-7);
          assertEquals(model.gate(), snp.getStatus(null, buffer), at);
          if (model.state == State.INITIALIZED) {
            Long expected = model.done.poll();
            assertEquals(expected == null ? 0 : expected, buffer.value, at);
          }
        }
        case 20, 21 -> {
          MacAddress to =
              switch (random.nextInt(3)) {
                case 0 -> NetBench.STATION;
                case 1 -> NetBench.PEER;
                default -> MacAddress.BROADCAST;
              };
          long frame = bench.frame(to, FRAME);
          bench.memory.putInt(frame + 20, ++tag);
          if (model.state == State.INITIALIZED && bench.card.deliver(frame, FRAME)) {
            model.arrived.add(tag);
            model.destinations.add(to);
          }
        }
        default -> {
          IntRef interrupts = new IntRef();
          if (random.nextInt(4) == 0 && model.state == State.INITIALIZED) {
            EfiStatus status = snp.getStatus(interrupts, null);
            assertEquals(EfiStatus.SUCCESS, status, at);
            assertEquals(model.next() != null, (interrupts.value & 1) != 0, at);
            assertEquals(!model.done.isEmpty(), (interrupts.value & 2) != 0, at);
          }
          Integer next = model.state == State.INITIALIZED ? model.next() : null;
          EfiStatus expected =
              model.gate().isError()
                  ? model.gate()
                  : next == null ? EfiStatus.NOT_READY : EfiStatus.SUCCESS;
          assertEquals(expected, bench.receive(TARGET), at);
          if (expected == EfiStatus.SUCCESS) {
            assertEquals(model.arrived.remove(), bench.memory.getInt(TARGET + 20), at);
            model.destinations.remove();
          }
        }
      }
      assertEquals(model.state, bench.snp.mode().state, at);
      boolean live = model.state == State.INITIALIZED;
      int requests = model.inFlight.size() + model.done.size();
      assertEquals(live ? 3 + 2 * requests : 0, bench.card.openMappings(), at);
      assertTrue(live || bench.pagesInUse() == idlePages, at);
      assertEquals(live, bench.card.isLive(), at);
    }
  }
}
