package dev.virtiolab.firmware.stack.tcp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.Seed;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Whatever a peer says, nothing is thrown, no table grows past its bound, what is answered is in
 * proportion, and an honest connection is served after it.
 */
class HostileSegmentsTest {
  private static final int ROUNDS = 40_000;

  @Test
  void segmentsByChanceHarmNothing() {
    SplittableRandom random = Seed.random("HostileSegmentsTest");
    ScriptedPeer peer = new ScriptedPeer();
    TcpListener listener = peer.host.tcp.listen(80, 8);
    List<TcpConnection> connections = new ArrayList<>();
    long answers = 0;
    for (int round = 0; round < ROUNDS; round++) {
      TcpConnection accepted = listener.accept();
      if (accepted != null) {
        connections.add(accepted);
      }
      if (random.nextInt(200) == 0 && connections.size() < 20) {
        connections.add(peer.connect());
      }
      TcpConnection victim =
          connections.isEmpty() ? null : connections.get(random.nextInt(connections.size()));
      if (victim != null) {
        use(victim, random);
        if (victim.state() == TcpState.CLOSED) {
          connections.remove(victim);
        }
      }
      peer.guestPort = victim == null || random.nextInt(10) == 0 ? 80 : victim.localPort();
      peer.host.snp.deliver(segment(peer, victim, random));
      if (random.nextInt(20) == 0) {
        peer.clock.advance(random.nextLong(TcpHost.SECOND));
        peer.host.snp.deliver(ScriptedPeer.arpRequest());
      }
      answers += peer.taken().size();
      assertTrue(peer.host.tcp.connections() <= Tcp.CONNECTIONS);
    }
    System.out.println("HostileSegmentsTest: " + answers + " answers to " + ROUNDS);
    // Each may be answered at once, and what users gave goes out: never more than a few each.
    assertTrue(answers < 5L * ROUNDS, answers + " answers");
    for (TcpConnection connection : connections) {
      connection.abort();
    }
    listener.close();
    peer.taken();
    peer.pass(61 * TcpHost.SECOND);
    assertEquals(0, peer.host.tcp.connections());
    peer.host.snp.deliver(ScriptedPeer.arpRequest());
    peer.taken();
    TcpConnection honest = peer.established();
    peer.say(ScriptedPeer.ACK, ScriptedPeer.ISN + 1, honest.sender().next(), (byte) 7);
    peer.taken();
    byte[] got = new byte[2];
    assertEquals(1, honest.receive(MemorySegment.ofArray(got), 0, 2));
    assertArrayEquals(new byte[] {7, 0}, got);
  }

  private static void use(TcpConnection connection, SplittableRandom random) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[5_000]);
    switch (random.nextInt(30)) {
      case 0 -> connection.shutdownOutput();
      case 1 -> connection.close();
      case 2 -> connection.abort();
      case 3, 4, 5, 6 -> connection.send(bytes, 0, random.nextInt(5_000));
      case 7, 8, 9, 10 -> connection.receive(bytes, 0, random.nextInt(5_000));
      default -> {
        // It sleeps.
      }
    }
  }

  /** Numbers near those that count, any flags, options and lengths by chance. */
  private static byte[] segment(ScriptedPeer peer, TcpConnection victim, SplittableRandom random) {
    int flags = random.nextInt(3) == 0 ? random.nextInt(256) : ScriptedPeer.ACK;
    int sequence = random.nextInt();
    int acknowledgment = random.nextInt();
    if (victim != null && random.nextInt(10) != 0) {
      sequence = victim.receiver().next() + near(random);
      acknowledgment = victim.sender().next() + near(random);
    }
    byte[] options = new byte[4 * random.nextInt(4)];
    random.nextBytes(options);
    byte[] data = new byte[random.nextInt(3) == 0 ? random.nextInt(1_440) : 0];
    int window = random.nextInt(4) == 0 ? random.nextInt(3) : random.nextInt(0x10000);
    byte[] frame = peer.frame(flags, sequence, acknowledgment, window, options, data);
    if (random.nextInt(10) == 0) {
      frame[34 + random.nextInt(frame.length - 34)] ^= (byte) (1 << random.nextInt(8));
    }
    return frame;
  }

  private static int near(SplittableRandom random) {
    return switch (random.nextInt(4)) {
      case 0 -> random.nextInt(-3, 4);
      case 1 -> random.nextInt(-2_000, 2_000);
      case 2 -> random.nextInt(-300_000, 300_000);
      default -> 0;
    };
  }
}
