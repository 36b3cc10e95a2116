package dev.virtiolab.net.bridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Random histories of a bridge against a model that is slow and obvious. */
class LearningBridgeHistoryTest {
  private static final int HISTORIES = 200;
  private static final int STEPS = 300;
  private static final long AGEING_NANOS = 1_000;
  private static final int SHORT_PORT_MAX = 100;
  private static final int LONG_PORT_MAX = 2_000;

  /** As many as fit in one bucket of the database: no station has to go for another. */
  private static final int STATIONS = FilteringDatabase.WAYS;

  @Test
  void everyPortSendsWhatTheModelSays() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    for (int history = 0; history < HISTORIES; history++) {
      String hint = "-Dvirtiolab.seed=" + seed + ", history " + history;
      new History(random, hint).run();
    }
  }

  /** One bridge, its model, and what happens to both. */
  private static final class History {
    final SplittableRandom random;
    final String hint;
    final int ports;
    final List<ScriptedBackend> ends = new ArrayList<>();
    final Model model;
    long nowNanos;
    int frames;

    History(SplittableRandom random, String hint) {
      this.random = random;
      this.hint = hint;
      ports = random.nextInt(1, 6);
      model = new Model(ports);
      for (int port = 0; port < ports; port++) {
        ends.add(new ScriptedBackend(maxFrame(port)));
      }
    }

    void run() {
      Duration ageing = Duration.ofNanos(AGEING_NANOS);
      try (LearningBridge bridge = new LearningBridge(ends, 8, ageing, () -> nowNanos)) {
        for (int step = 0; step < STEPS; step++) {
          step(bridge);
        }
        while (bridge.poll(3) + model.poll(3, nowNanos) > 0) {
          nowNanos++;
        }
        check(bridge);
      }
    }

    private void step(LearningBridge bridge) {
      nowNanos += random.nextInt(40);
      int port = random.nextInt(ports);
      switch (random.nextInt(12)) {
        case 0 -> {
          model.up[port] = !model.up[port];
          ends.get(port).link(model.up[port]);
        }
        case 1 -> {
          model.refusals[port] = random.nextInt(5);
          ends.get(port).refuse(model.refusals[port]);
        }
        case 2 -> nowNanos += AGEING_NANOS / 2;
        case 3, 4, 5 -> {
          int budget = random.nextInt(1, 4);
          assertEquals(model.poll(budget, nowNanos), bridge.poll(budget), hint);
        }
        default -> {
          byte[] frame = randomFrame(maxFrame(port));
          model.in.get(port).add(frame);
          ends.get(port).deliver(frame);
        }
      }
    }

    private byte[] randomFrame(int max) {
      int number = frames++;
      return Ethernet.frame(address(), address(), number, random.nextInt(18, max + 1));
    }

    private long address() {
      return switch (random.nextInt(12)) {
        case 0 -> Ethernet.BROADCAST;
        case 1 -> Ethernet.MULTICAST;
        case 2 -> Ethernet.PAUSE;
        default -> Ethernet.station(random.nextInt(STATIONS));
      };
    }

    private void check(LearningBridge bridge) {
      for (int port = 0; port < ports; port++) {
        List<byte[]> sent = ends.get(port).sent();
        List<byte[]> expected = model.out.get(port);
        assertEquals(numbers(expected), numbers(sent), hint + ", port " + port);
        for (int i = 0; i < sent.size(); i++) {
          assertArrayEquals(expected.get(i), sent.get(i), hint + ", port " + port);
        }
        assertSound(port, sent);
        PortCounters counters = bridge.counters(port);
        assertEquals(
            Arrays.toString(model.counts[port]),
            Arrays.toString(
                new long[] {
                  counters.relayed(),
                  counters.flooded(),
                  counters.filtered(),
                  counters.noRoom(),
                  counters.tooLong(),
                  counters.learned(),
                  counters.moved()
                }),
            hint + ", port " + port);
      }
    }

    /** Without the model: no frame twice, invented, sent back, or before an older one of a port. */
    private void assertSound(int port, List<byte[]> sent) {
      Set<Integer> seen = new HashSet<>();
      int[] last = new int[ports];
      Arrays.fill(last, -1);
      for (byte[] frame : sent) {
        int number = Ethernet.number(frame);
        assertTrue(seen.add(number), hint + ": twice at port " + port);
        Integer from = model.cameIn.get(number);
        assertTrue(from != null && from != port, hint + ": invented or sent back at " + port);
        assertTrue(number > last[from], hint + ": reordered at port " + port);
        last[from] = number;
      }
    }

    private static List<Integer> numbers(List<byte[]> frames) {
      return frames.stream().map(Ethernet::number).toList();
    }

    private static int maxFrame(int port) {
      return port % 2 == 0 ? LONG_PORT_MAX : SHORT_PORT_MAX;
    }
  }

  /** What 802.1D says, without a thought for speed. */
  private static final class Model {
    private record Heard(int port, long atNanos) {}

    final int ports;
    final List<Deque<byte[]>> in = new ArrayList<>();
    final List<List<byte[]>> out = new ArrayList<>();
    final Map<Integer, Integer> cameIn = new HashMap<>();
    final boolean[] up;
    final int[] refusals;
    final long[][] counts;
    private final boolean[] wasUp;
    private final Map<Long, Heard> heard = new HashMap<>();
    private int first;

    Model(int ports) {
      this.ports = ports;
      up = new boolean[ports];
      wasUp = new boolean[ports];
      refusals = new int[ports];
      counts = new long[ports][7];
      Arrays.fill(up, true);
      for (int port = 0; port < ports; port++) {
        in.add(new ArrayDeque<>());
        out.add(new ArrayList<>());
      }
    }

    int poll(int budget, long nowNanos) {
      for (int port = 0; port < ports; port++) {
        if (wasUp[port] && !up[port]) {
          int down = port;
          heard.values().removeIf(entry -> entry.port == down);
        }
        wasUp[port] = up[port];
      }
      heard.values().removeIf(entry -> nowNanos - entry.atNanos > AGEING_NANOS);
      int taken = 0;
      for (int i = 0; i < ports; i++) {
        int port = (first + i) % ports;
        for (int n = 0; n < budget && !in.get(port).isEmpty(); n++) {
          relay(port, in.get(port).remove(), nowNanos);
          taken++;
        }
      }
      first = (first + 1) % ports;
      return taken;
    }

    private void relay(int port, byte[] frame, long nowNanos) {
      cameIn.put(Ethernet.number(frame), port);
      long destination = Ethernet.destination(frame);
      long source = Ethernet.source(frame);
      if ((source >>> 40 & 1) == 0 && up[port]) {
        Heard before = heard.put(source, new Heard(port, nowNanos));
        if (before == null) {
          counts[port][5]++;
        } else if (before.port != port) {
          counts[port][6]++;
        }
      }
      Heard receiver = heard.get(destination);
      if (destination == Ethernet.PAUSE || (receiver != null && receiver.port == port)) {
        counts[port][2]++;
      } else if (receiver != null) {
        counts[port][0]++;
        send(receiver.port, frame);
      } else {
        counts[port][1]++;
        for (int egress = 0; egress < ports; egress++) {
          if (egress != port && up[egress]) {
            send(egress, frame);
          }
        }
      }
    }

    private void send(int port, byte[] frame) {
      if (frame.length > History.maxFrame(port)) {
        counts[port][4]++;
      } else if (refusals[port] > 0) {
        refusals[port]--;
        counts[port][3]++;
      } else {
        out.get(port).add(frame);
      }
    }
  }
}
