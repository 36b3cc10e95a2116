package dev.virtiolab.firmware.stack.tcp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounter;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Whatever the wire does to frames, both streams arrive byte for byte, both ends close in good
 * order, and it ends: RFC 9293, section 1, "reliable, in-order byte-stream".
 */
class TransferTest {
  private static final int PORT = 7;
  private static final int STEPS = 2_000_000;

  private final SplittableRandom random = Seed.random("TransferTest");

  @Test
  void streamsArriveWholeOnAGoodWire() {
    SimulatedWire wire = new SimulatedWire(random.split());
    long nanos = transfer(wire, 3_000_000, 2_000_000);
    // 262144 bytes a round trip of 2 ms are 131 MB/s; slow start and turns are allowed for.
    assertTrue(nanos < 300 * SimulatedWire.MILLISECOND, nanos + " ns");
    assertEquals(0, wire.left.count(StackCounter.TCP_RETRANSMITTED));
    assertEquals(0, wire.right.count(StackCounter.TCP_RETRANSMITTED));
  }

  @Test
  void streamsArriveWholeThroughFaultsOfEveryKind() {
    for (int round = 0; round < 40; round++) {
      SplittableRandom here = random.split();
      SimulatedWire wire = new SimulatedWire(here.split());
      wire.latency = here.nextLong(20_000, 20 * SimulatedWire.MILLISECOND);
      wire.faults =
          new SimulatedWire.Faults(
              here.nextDouble(0.2),
              here.nextDouble(0.2),
              here.nextDouble(0.3),
              here.nextDouble(0.05));
      transfer(wire, here.nextLong(200_000), here.nextLong(200_000));
    }
  }

  @Test
  void streamsSurviveAMinuteOfPartition() {
    SimulatedWire wire = new SimulatedWire(random.split());
    Pair pair = connect(wire);
    Stream there = new Stream(1, 5_000_000, 10_000);
    Stream back = new Stream(2, 5_000_000, 10_000);
    for (int i = 0; i < 200; i++) {
      move(wire, pair, there, back);
    }
    wire.partitioned = true;
    long until = wire.clock.nanos() + 60 * TcpHost.SECOND;
    while (wire.clock.nanos() < until) {
      move(wire, pair, there, back);
    }
    wire.partitioned = false;
    long healed = wire.clock.nanos();
    run(wire, pair, there, back);
    // RFC 6298, (2.5): the timer has backed off to a minute at most.
    assertTrue(wire.clock.nanos() - healed < 62 * TcpHost.SECOND, "it took too long to go on");
    finish(wire, pair, there, back);
  }

  @Test
  void sequenceNumbersWrapInTheMiddleOfAStream() {
    long seed = random.nextLong();
    int left = Ipv4Address.parse("10.0.0.1").bits();
    int right = Ipv4Address.parse("10.0.0.2").bits();
    int initial;
    do {
      seed++;
      SequenceKeys keys = new SequenceKeys(seed);
      int port = keys.firstPort(left, right, PORT);
      initial = keys.initialSequence(left, new TcpPeer(right, PORT, port), 0);
    } while (initial >= 0 || initial < -1_000_000);
    SimulatedWire wire = new SimulatedWire(random.split(), seed);
    wire.faults = new SimulatedWire.Faults(0.02, 0.02, 0.1, 0.01);
    Pair pair = connect(wire);
    assertEquals(initial + 1, pair.client().sender().una());
    Stream there = new Stream(1, 2_000_000, 20_000);
    finish(wire, pair, there, new Stream(2, 10, 10));
    assertTrue(pair.client().sender().una() >= 0, "it has not wrapped");
  }

  @Test
  void aReaderThatSleepsStopsTheWriterAndLosesNothing() {
    SimulatedWire wire = new SimulatedWire(random.split());
    wire.faults = new SimulatedWire.Faults(0.05, 0.05, 0.1, 0.01);
    Pair pair = connect(wire);
    Stream there = new Stream(1, 2_000_000, 20_000);
    Stream back = new Stream(2, 10, 10);
    long until = wire.clock.nanos() + 900 * TcpHost.SECOND;
    while (wire.clock.nanos() < until) {
      there.feed(pair.client());
      wire.step();
      assertTrue(pair.server().receivable() <= TcpConnection.BUFFER_BYTES);
    }
    assertEquals(TcpState.ESTABLISHED, pair.client().state());
    assertEquals(TcpConnection.BUFFER_BYTES, pair.server().receivable());
    finish(wire, pair, there, back);
  }

  private record Pair(TcpConnection client, TcpConnection server) {}

  private static Pair connect(SimulatedWire wire) {
    TcpListener listener = wire.right.tcp.listen(PORT, 4);
    TcpConnection client = wire.left.tcp.connect(Ipv4Address.parse("10.0.0.2"), PORT);
    TcpConnection server = null;
    for (int i = 0; i < STEPS && server == null; i++) {
      wire.step();
      server = listener.accept();
    }
    assertNotNull(server, () -> "no connection: " + client.state() + " " + client.error());
    return new Pair(client, server);
  }

  private static void move(SimulatedWire wire, Pair pair, Stream there, Stream back) {
    assertTrue(there.feed(pair.client()), () -> "lost: " + pair.client().error());
    assertTrue(back.feed(pair.server()), () -> "lost: " + pair.server().error());
    wire.step();
    there.drain(pair.server());
    back.drain(pair.client());
  }

  private static void run(SimulatedWire wire, Pair pair, Stream there, Stream back) {
    for (int i = 0; i < STEPS && !(there.isDone() && back.isDone()); i++) {
      if (!there.isEnded()) {
        there.feed(pair.client());
      }
      if (!back.isEnded()) {
        back.feed(pair.server());
      }
      wire.step();
      there.drain(pair.server());
      back.drain(pair.client());
    }
  }

  private static void finish(SimulatedWire wire, Pair pair, Stream there, Stream back) {
    run(wire, pair, there, back);
    assertTrue(
        there.isDone() && back.isDone(),
        () ->
            "there "
                + there
                + ", back "
                + back
                + ", client "
                + pair.client().state()
                + pair.client().error()
                + ", server "
                + pair.server().state()
                + pair.server().error());
    pair.client().close();
    pair.server().close();
    long until = wire.clock.nanos() + 400 * TcpHost.SECOND;
    while (wire.clock.nanos() < until
        && wire.left.tcp.connections() + wire.right.tcp.connections() > 0) {
      wire.step();
    }
    assertEquals(0, wire.left.tcp.connections());
    assertEquals(0, wire.right.tcp.connections());
    assertEquals(Optional.empty(), pair.client().error());
    assertEquals(Optional.empty(), pair.server().error());
  }

  private static long transfer(SimulatedWire wire, long thereBytes, long backBytes) {
    Pair pair = connect(wire);
    long before = wire.clock.nanos();
    Stream there = new Stream(thereBytes, thereBytes, 30_000);
    Stream back = new Stream(backBytes, backBytes, 30_000);
    run(wire, pair, there, back);
    long took = wire.clock.nanos() - before;
    finish(wire, pair, there, back);
    return took;
  }
}
