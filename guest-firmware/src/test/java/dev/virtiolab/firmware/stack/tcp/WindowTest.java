package dev.virtiolab.firmware.stack.tcp;

import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.ACK;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.FIN;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.ISN;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.RST;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.SYN;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.tcp.ScriptedPeer.Segment;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Windows, timers and losses, a segment at a time. */
class WindowTest {
  private static final long MILLISECOND = 1_000_000;

  private final ScriptedPeer peer = new ScriptedPeer();

  @Test
  void aClosedWindowIsProbedEverLessOftenUntilItOpens() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    peer.sayWindow(ACK, ISN + 1, mine, 0).none();
    StateTest.send(connection, 3_000);
    peer.none();
    List<Segment> first = peer.pass(250 * MILLISECOND);
    assertEquals(1, first.size());
    assertEquals(1, first.get(0).data().length); // RFC 9293, 3.8.6.1
    assertEquals(mine, first.get(0).sequence());
    peer.sayWindow(ACK, ISN + 1, mine, 0).none();
    assertEquals(0, peer.pass(150 * MILLISECOND).size());
    assertEquals(1, peer.pass(250 * MILLISECOND).size());
    // Eleven minutes of a peer that answers and takes nothing: the connection stays.
    for (int i = 0; i < 66; i++) {
      peer.host.snp.deliver(ScriptedPeer.arpRequest());
      for (Segment probe : peer.pass(10 * TcpHost.SECOND)) {
        assertEquals(1, probe.data().length);
        peer.sayWindow(ACK, ISN + 1, mine, 0);
      }
    }
    assertEquals(TcpState.ESTABLISHED, connection.state());
    peer.say(ACK, ISN + 1, mine);
    assertEquals(3_000, bytes(peer.taken(), mine));
  }

  @Test
  void aWindowThatShrinksIsObeyedAndWhatIsOutIsRepeated() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    StateTest.send(connection, 100_000);
    assertEquals(3, peer.taken().size()); // RFC 5681, 3.1: 4380 bytes
    peer.sayWindow(ACK, ISN + 1, mine + 1460, 0).none();
    List<Segment> again = peer.pass(250 * MILLISECOND);
    assertEquals(1, again.size());
    assertEquals(mine + 1460, again.get(0).sequence());
    peer.sayWindow(ACK, ISN + 1, mine + 4380, 1460);
    assertEquals(1460, bytes(peer.taken(), mine + 4380));
    assertEquals(TcpState.ESTABLISHED, connection.state());
  }

  @Test
  void noSillyWindowIsFilled() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    peer.sayWindow(ACK, ISN + 1, mine, 100).none();
    StateTest.send(connection, 3_000);
    peer.none(); // RFC 9293, 3.8.6.2.1
    assertEquals(100, bytes(peer.pass(250 * MILLISECOND), mine)); // the override
  }

  @Test
  void theThirdDuplicateSendsAgainBeforeTheTimerDoes() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    int acknowledged = open(connection, mine);
    int out = connection.sender().next() - acknowledged;
    int flight = connection.sender().congestion().cwnd();
    peer.say(ACK, ISN + 1, acknowledged).taken();
    peer.say(ACK, ISN + 1, acknowledged).taken();
    peer.say(ACK, ISN + 1, acknowledged);
    Segment resent = peer.taken().get(0);
    assertEquals(acknowledged, resent.sequence());
    assertEquals(1460, resent.data().length);
    assertTrue(flight > 0 && connection.sender().congestion().ssthresh() >= out / 2);
    // RFC 6582: a partial acknowledgment has the next hole sent at once.
    peer.say(ACK, ISN + 1, acknowledged + 2 * 1460);
    assertEquals(acknowledged + 2 * 1460, peer.taken().get(0).sequence());
    assertEquals(0, peer.host.count(StackCounter.TCP_TIMEOUTS));
  }

  /** Ten thousand bytes there and acknowledged; more on its way. */
  private int open(TcpConnection connection, int mine) {
    StateTest.send(connection, 100_000);
    int acknowledged = mine;
    for (int i = 0; i < 6; i++) {
      peer.taken();
      acknowledged += 1460;
      peer.say(ACK, ISN + 1, acknowledged);
    }
    peer.taken();
    return acknowledged;
  }

  @Test
  void whatComesInOrderIsAcknowledgedAtTheSecondSegmentOrAfterAMoment() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    peer.say(ACK, ISN + 1, mine, new byte[1460]).none();
    peer.say(ACK, ISN + 1461, mine, new byte[1460]);
    assertEquals(ISN + 2921, peer.one().acknowledgment());
    peer.say(ACK, ISN + 2921, mine, (byte) 1).none();
    assertEquals(0, peer.pass(30 * MILLISECOND).size());
    List<Segment> late = peer.pass(20 * MILLISECOND);
    assertEquals(1, late.size());
    assertEquals(ISN + 2922, late.get(0).acknowledgment());
  }

  @Test
  void whatComesEarlyIsKeptAndAskedFor() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    peer.say(FIN | ACK, ISN + 4, mine, (byte) 4, (byte) 5);
    assertEquals(ISN + 1, peer.one().acknowledgment());
    peer.say(ACK, ISN + 2, mine, (byte) 2);
    assertEquals(ISN + 1, peer.one().acknowledgment());
    peer.say(ACK, ISN + 1, mine, (byte) 1);
    assertEquals(ISN + 3, peer.one().acknowledgment());
    assertEquals(TcpState.ESTABLISHED, connection.state());
    peer.say(ACK, ISN + 1, mine, (byte) 1, (byte) 2, (byte) 3, (byte) 4);
    assertEquals(ISN + 7, peer.one().acknowledgment());
    assertEquals(TcpState.CLOSE_WAIT, connection.state());
    byte[] all = new byte[9];
    assertEquals(5, connection.receive(MemorySegment.ofArray(all), 0, 9));
    assertArrayEquals(new byte[] {1, 2, 3, 4, 5, 0, 0, 0, 0}, all);
    assertEquals(-1, connection.receive(MemorySegment.ofArray(all), 0, 9));
  }

  @Test
  void gapsAreBounded() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    for (int i = 1; i <= 40; i++) {
      peer.say(ACK, ISN + 1 + 2 * i, mine, (byte) i);
    }
    peer.taken();
    for (int i = 0; i <= 40; i++) {
      peer.say(ACK, ISN + 2 + 2 * i, mine, (byte) i);
    }
    peer.say(ACK, ISN + 1, mine, (byte) 0);
    peer.taken();
    // The first 32 were kept, and each of the 33rd to 40th has to come again.
    assertEquals(2 * TcpReceiver.RANGES + 2, connection.receivable());
  }

  @Test
  void aReaderMakesTheWindowKnownThatItOpens() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    int sent = 0;
    Segment last = null;
    while (sent + 1460 <= TcpConnection.BUFFER_BYTES) {
      peer.say(ACK, ISN + 1 + sent, mine, new byte[1460]);
      sent += 1460;
      for (Segment ack : peer.taken()) {
        last = ack;
      }
    }
    // Not read, it closes: what is left is less than a segment.
    assertTrue(last.window() < 2 * 1460, last::toString);
    assertTrue(connection.receivable() > TcpConnection.BUFFER_BYTES - 2 * 1460);
    byte[] some = new byte[100];
    connection.receive(MemorySegment.ofArray(some), 0, 100);
    peer.pass(50 * MILLISECOND);
    byte[] all = new byte[70_000];
    connection.receive(MemorySegment.ofArray(all), 0, all.length);
    assertEquals(0xffff, peer.one().window()); // as much as the field says: no scale was offered
  }

  @Test
  void aSmallOrMissingMssIsTakenWithSense() {
    TcpConnection none = peer.connect();
    int isn = peer.one().sequence();
    peer.say(SYN | ACK, ISN, isn + 1);
    peer.one();
    assertEquals(TcpConnection.DEFAULT_MSS, none.sender().mss());
    TcpConnection tiny = peer.connect();
    isn = peer.one().sequence();
    // With options that lie about their length behind it.
    peer.sayOptions(SYN | ACK, ISN, isn + 1, 1, 2, 4, 0, 1, 99, 77, 3);
    peer.one();
    assertEquals(TcpConnection.LEAST_MSS, tiny.sender().mss());
  }

  @Test
  void theirWindowIsScaledOutsideOfTheSyn() {
    TcpConnection connection = peer.connect();
    int isn = peer.one().sequence();
    peer.sayOptions(SYN | ACK, ISN, isn + 1, 3, 3, 20, 0); // 20 counts as 14
    peer.one();
    assertEquals(0xffff, connection.sender().window());
    peer.sayWindow(ACK, ISN + 1, isn + 1, 2).none();
    assertEquals(2 << 14, connection.sender().window());
  }

  @Test
  void aRouterThatTakesLessIsObeyedWithoutATimeout() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    StateTest.send(connection, 1460);
    assertTrue(peer.one().dontFragment());
    tooLarge(connection, mine + 5_000, 1_000);
    peer.none(); // about nothing that is out: RFC 5927
    tooLarge(connection, mine, 1_000);
    List<Segment> again = peer.taken();
    assertEquals(1460, bytes(again, mine));
    assertEquals(960, again.get(0).data().length);
    tooLarge(connection, mine, 68);
    again = peer.taken();
    assertEquals(1460, bytes(again, mine));
    assertEquals(Tcp.LEAST_PATH_MTU - 40, again.get(0).data().length);
    assertFalse(again.get(0).dontFragment());
    assertEquals(0, peer.host.count(StackCounter.TCP_TIMEOUTS));
  }

  private void tooLarge(TcpConnection connection, int sequence, int mtu) {
    icmp(4, mtu, connection.localPort(), sequence);
  }

  private void icmp(int code, int mtu, int localPort, int sequence) {
    byte[] message =
        ByteBuffer.allocate(36)
            .put((byte) 3)
            .put((byte) code)
            .putInt(0)
            .putShort((short) mtu)
            .putInt(0x45000300)
            .putInt(0x4000)
            .putInt(0x20060000)
            .putInt(ScriptedPeer.GUEST)
            .putInt(ScriptedPeer.PEER)
            .putShort((short) localPort)
            .putShort((short) ScriptedPeer.PEER_PORT)
            .putInt(sequence)
            .array();
    ByteBuffer.wrap(message).putShort(2, (short) ScriptedPeer.checksum(message));
    peer.host.snp.deliver(ScriptedPeer.ipv4(1, message));
  }

  @Test
  void anUnreachablePortRefusesASynAndHarmsNoConnection() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    StateTest.send(connection, 1);
    peer.one();
    icmp(3, 0, connection.localPort(), mine);
    peer.none();
    assertEquals(TcpState.ESTABLISHED, connection.state());

    TcpConnection opening = peer.connect();
    int isn = peer.one().sequence();
    icmp(1, 0, opening.localPort(), isn); // the host: it may come back
    peer.none();
    assertEquals(TcpState.SYN_SENT, opening.state());
    icmp(3, 0, opening.localPort(), isn);
    peer.none();
    assertEquals(Optional.of(TcpError.REFUSED), opening.error());
  }

  @Test
  void aPeerThatHasForgottenTheConnectionIsToldAndResetsIt() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    peer.say(SYN, ISN + 90_000, 0); // it has rebooted: RFC 9293, 3.5.1, figure 9
    Segment challenge = peer.one();
    assertEquals(ACK, challenge.flags());
    assertEquals(mine, challenge.sequence());
    peer.say(RST, challenge.acknowledgment(), 0).none();
    assertEquals(Optional.of(TcpError.RESET), connection.error());
  }

  @Test
  void oneWrongBitInASegmentIsSeen() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    byte[] good = peer.frame(ACK, ISN + 1, mine, 500, new byte[0], new byte[] {1, 2, 3});
    for (int bit = 34 * 8; bit < good.length * 8; bit++) {
      byte[] wrong = good.clone();
      wrong[bit / 8] ^= (byte) (1 << bit % 8);
      peer.host.snp.deliver(wrong);
      peer.none();
    }
    assertEquals(0, connection.receivable());
    assertEquals((good.length - 34) * 8L, peer.host.count(StackCounter.TCP_MALFORMED));
  }

  /** How many bytes from {@code start} on the segments hold without a gap. */
  private static int bytes(List<Segment> segments, int start) {
    int next = start;
    for (Segment segment : segments) {
      if (segment.data().length > 0 && segment.sequence() == next) {
        next += segment.data().length;
      }
    }
    return next - start;
  }
}
