package dev.virtiolab.firmware.stack.tcp;

import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.ACK;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.FIN;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.ISN;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.RST;
import static dev.virtiolab.firmware.stack.tcp.ScriptedPeer.SYN;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.tcp.ScriptedPeer.Segment;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** RFC 9293, 3.3.2 and 3.10.7: each transition, and what must not make one. */
class StateTest {
  private final ScriptedPeer peer = new ScriptedPeer();

  /** Stated anew, from figure 5 of the RFC; TIME_WAIT is reached from FIN_WAIT_1 by way of two. */
  private static final Map<TcpState, Set<TcpState>> FIGURE_5 =
      Map.ofEntries(
          Map.entry(TcpState.CLOSED, Set.of(TcpState.SYN_SENT)),
          Map.entry(TcpState.LISTEN, Set.of(TcpState.SYN_RECEIVED, TcpState.CLOSED)),
          Map.entry(
              TcpState.SYN_SENT,
              Set.of(TcpState.SYN_RECEIVED, TcpState.ESTABLISHED, TcpState.CLOSED)),
          Map.entry(TcpState.SYN_RECEIVED, Set.of(TcpState.ESTABLISHED, TcpState.CLOSED)),
          Map.entry(
              TcpState.ESTABLISHED,
              Set.of(TcpState.FIN_WAIT_1, TcpState.CLOSE_WAIT, TcpState.CLOSED)),
          Map.entry(
              TcpState.FIN_WAIT_1, Set.of(TcpState.FIN_WAIT_2, TcpState.CLOSING, TcpState.CLOSED)),
          Map.entry(TcpState.FIN_WAIT_2, Set.of(TcpState.TIME_WAIT, TcpState.CLOSED)),
          Map.entry(TcpState.CLOSE_WAIT, Set.of(TcpState.LAST_ACK, TcpState.CLOSED)),
          Map.entry(TcpState.CLOSING, Set.of(TcpState.TIME_WAIT, TcpState.CLOSED)),
          Map.entry(TcpState.LAST_ACK, Set.of(TcpState.CLOSED)),
          Map.entry(TcpState.TIME_WAIT, Set.of(TcpState.CLOSED)));

  @Test
  void theTableIsFigure5AndNothingElse() {
    for (TcpState from : TcpState.values()) {
      for (TcpState to : TcpState.values()) {
        assertEquals(FIGURE_5.get(from).contains(to), from.leadsTo(to), from + " to " + to);
      }
    }
  }

  @Test
  void activeOpenAndCloseByTheGuestFirst() {
    TcpConnection connection = peer.connect();
    assertEquals(TcpState.SYN_SENT, connection.state());
    Segment syn = peer.one();
    assertEquals(SYN, syn.flags());
    assertEquals(0xffff, syn.window());
    assertArrayEquals(new byte[] {2, 4, 1460 >> 8, (byte) 1460, 1, 3, 3, 3}, syn.options());
    int mine = syn.sequence() + 1;
    peer.say(SYN | ACK, ISN, mine);
    Segment ack = peer.one();
    assertEquals(ACK, ack.flags());
    assertEquals(mine, ack.sequence());
    assertEquals(ISN + 1, ack.acknowledgment());
    assertEquals(TcpState.ESTABLISHED, connection.state());

    connection.shutdownOutput();
    assertEquals(TcpState.FIN_WAIT_1, connection.state());
    Segment fin = peer.one();
    assertTrue(fin.is(FIN | ACK));
    assertEquals(mine, fin.sequence());
    peer.say(ACK, ISN + 1, mine + 1).none();
    assertEquals(TcpState.FIN_WAIT_2, connection.state());
    peer.say(ACK, ISN + 1, mine + 1, (byte) 9); // half closed: it may still send
    peer.say(FIN | ACK, ISN + 2, mine + 1);
    assertEquals(ISN + 3, peer.one().acknowledgment());
    assertEquals(TcpState.TIME_WAIT, connection.state());
    assertEquals(1, connection.receivable());
    peer.pass(59 * TcpHost.SECOND);
    peer.say(FIN | ACK, ISN + 2, mine + 1); // its FIN again: our answer was lost
    assertEquals(ISN + 3, peer.one().acknowledgment());
    peer.pass(59 * TcpHost.SECOND);
    assertEquals(TcpState.TIME_WAIT, connection.state());
    peer.pass(2 * TcpHost.SECOND);
    assertEquals(TcpState.CLOSED, connection.state());
    assertEquals(Optional.empty(), connection.error());
    assertEquals(0, peer.host.tcp.connections());
  }

  @Test
  void passiveOpenAndCloseByThePeerFirst() {
    TcpListener listener = peer.host.tcp.listen(80, 4);
    peer.sayOptions(SYN, ISN, 0, 2, 4, 2, 0, 3, 3, 7, 0);
    Segment answer = peer.one();
    assertEquals(SYN | ACK, answer.flags());
    assertEquals(ISN + 1, answer.acknowledgment());
    assertNull(listener.accept());
    int mine = answer.sequence() + 1;
    peer.say(ACK, ISN + 1, mine).none();
    TcpConnection connection = listener.accept();
    assertEquals(TcpState.ESTABLISHED, connection.state());
    assertEquals(512, connection.sender().mss());

    peer.say(FIN | ACK, ISN + 1, mine);
    assertEquals(ISN + 2, peer.one().acknowledgment());
    assertEquals(TcpState.CLOSE_WAIT, connection.state());
    assertTrue(connection.isDrained());
    send(connection, 5); // the other half is still open
    assertEquals(5, peer.one().data().length);
    connection.shutdownOutput();
    assertEquals(TcpState.LAST_ACK, connection.state());
    assertTrue(peer.one().is(FIN | ACK));
    peer.say(ACK, ISN + 2, mine + 6).none();
    assertEquals(TcpState.CLOSED, connection.state());
    assertEquals(0, peer.host.tcp.connections());
  }

  @Test
  void withoutAnOfferOfTheirsWeScaleNothing() {
    peer.host.tcp.listen(80, 4);
    peer.say(SYN, ISN, 0);
    assertArrayEquals(new byte[] {2, 4, 1460 >> 8, (byte) 1460}, peer.one().options());
  }

  @Test
  void bothOpenAtOnce() {
    TcpConnection connection = peer.connect();
    int mine = peer.one().sequence() + 1;
    peer.say(SYN, ISN, 0);
    Segment answer = peer.one();
    assertEquals(SYN | ACK, answer.flags());
    assertEquals(mine - 1, answer.sequence());
    assertEquals(ISN + 1, answer.acknowledgment());
    assertEquals(TcpState.SYN_RECEIVED, connection.state());
    peer.say(SYN | ACK, ISN, mine);
    assertEquals(ACK, peer.one().flags());
    assertEquals(TcpState.ESTABLISHED, connection.state());
  }

  @Test
  void bothCloseAtOnce() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    connection.shutdownOutput();
    assertTrue(peer.one().is(FIN | ACK));
    peer.say(FIN | ACK, ISN + 1, mine);
    assertEquals(ISN + 2, peer.one().acknowledgment());
    assertEquals(TcpState.CLOSING, connection.state());
    peer.say(ACK, ISN + 2, mine + 1).none();
    assertEquals(TcpState.TIME_WAIT, connection.state());
  }

  @Test
  void aFinAndTheAcknowledgmentOfOursInOneSegment() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    connection.shutdownOutput();
    peer.one();
    peer.say(FIN | ACK, ISN + 1, mine + 1);
    assertEquals(ISN + 2, peer.one().acknowledgment());
    assertEquals(TcpState.TIME_WAIT, connection.state());
  }

  /** It lasts a minute, and there may be thousands; what nobody has read stays. */
  @Test
  void aConnectionInTimeWaitHoldsNoBuffers() {
    TcpConnection connection = peer.established();
    send(connection, 5);
    assertEquals(5, peer.one().data().length);
    int mine = connection.sender().next();
    peer.say(ACK, ISN + 1, mine, (byte) 9);
    connection.shutdownOutput();
    peer.pass(TcpHost.SECOND);
    assertTrue(connection.sender().holdsBuffer() && connection.receiver().holdsBuffer());
    peer.say(FIN | ACK, ISN + 2, mine + 1);
    assertEquals(ISN + 3, peer.one().acknowledgment());
    assertEquals(TcpState.TIME_WAIT, connection.state());
    assertFalse(connection.sender().holdsBuffer());

    MemorySegment read = MemorySegment.ofArray(new byte[2]);
    assertEquals(1, connection.receive(read, 0, 2));
    assertEquals(9, read.get(ValueLayout.JAVA_BYTE, 0));
    assertFalse(connection.receiver().holdsBuffer());
    assertEquals(-1, connection.receive(read, 0, 2));
  }

  @Test
  void aNewSynEndsTimeWaitIfItsNumberIsLater() {
    TcpListener listener = peer.host.tcp.listen(80, 4);
    peer.say(SYN, ISN, 0);
    int mine = peer.one().sequence() + 1;
    peer.say(ACK, ISN + 1, mine).none();
    TcpConnection first = listener.accept();
    first.shutdownOutput();
    peer.one();
    peer.say(FIN | ACK, ISN + 1, mine + 1);
    peer.one();
    assertEquals(TcpState.TIME_WAIT, first.state());
    peer.say(SYN, ISN - 5, 0); // an old one: RFC 9293, 3.6.1
    assertEquals(ACK, peer.one().flags());
    assertEquals(TcpState.TIME_WAIT, first.state());
    peer.say(SYN, ISN + 5_000, 0);
    assertEquals(SYN | ACK, peer.one().flags());
    assertEquals(TcpState.CLOSED, first.state());
  }

  @Test
  void aRefusedSynEndsAndAForgedRefusalDoesNot() {
    TcpConnection connection = peer.connect();
    int isn = peer.one().sequence();
    peer.say(RST | ACK, 0, isn).none();
    peer.say(RST, 0, 0).none();
    assertEquals(TcpState.SYN_SENT, connection.state());
    peer.say(RST | ACK, 0, isn + 1).none();
    assertEquals(TcpState.CLOSED, connection.state());
    assertEquals(Optional.of(TcpError.REFUSED), connection.error());
  }

  @Test
  void anAcknowledgmentOfNothingInSynSentIsReset() {
    TcpConnection connection = peer.connect();
    int isn = peer.one().sequence();
    peer.say(ACK, ISN, isn + 7); // half open: RFC 9293, 3.5.1, figure 9
    Segment reset = peer.one();
    assertEquals(RST, reset.flags());
    assertEquals(isn + 7, reset.sequence());
    assertEquals(TcpState.SYN_SENT, connection.state());
  }

  @Test
  void whatIsForNobodyIsReset() {
    peer.say(SYN, ISN, 0);
    Segment reset = peer.one();
    assertEquals(RST | ACK, reset.flags());
    assertEquals(ISN + 1, reset.acknowledgment());
    peer.say(ACK, ISN, 77, new byte[3]);
    assertEquals(77, peer.one().sequence());
    peer.say(RST, ISN, 0).none();
  }

  @Test
  void anExactResetEndsAndAnyOtherIsChallenged() {
    TcpConnection connection = peer.established();
    peer.say(RST, ISN + 2, 0);
    assertEquals(ACK, peer.one().flags()); // RFC 5961, 3.2
    peer.say(RST, ISN, 0).none(); // out of the window
    peer.say(RST, ISN + 3, 0).none(); // challenged a moment ago
    assertEquals(TcpState.ESTABLISHED, connection.state());
    peer.pass(TcpHost.SECOND);
    peer.say(SYN, ISN + 2, 0);
    assertEquals(ACK, peer.one().flags()); // RFC 5961, 4.2
    assertEquals(TcpState.ESTABLISHED, connection.state());
    peer.say(RST, ISN + 1, 0).none();
    assertEquals(TcpState.CLOSED, connection.state());
    assertEquals(Optional.of(TcpError.RESET), connection.error());
    assertEquals(-1, send(connection, 1));
  }

  @Test
  void dataWithAnImpossibleAcknowledgmentIsNotTaken() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    peer.say(ACK, ISN + 1, mine + 1, (byte) 1); // RFC 5961, 5.2: of what was never sent
    assertEquals(ISN + 1, peer.one().acknowledgment());
    peer.say(ACK, ISN + 1, mine - 70_000, (byte) 1).none();
    peer.say(0, ISN + 1, 0, (byte) 1).none(); // no ACK: dropped
    assertEquals(0, connection.receivable());
    peer.say(ACK, ISN + 1, mine, (byte) 1);
    peer.taken();
    assertEquals(1, connection.receivable());
  }

  @Test
  void abortSaysReset() {
    TcpConnection connection = peer.established();
    int mine = connection.sender().next();
    connection.abort();
    Segment reset = peer.one();
    assertTrue(reset.is(RST | ACK));
    assertEquals(mine, reset.sequence());
    assertEquals(Optional.of(TcpError.ABORTED), connection.error());
    connection.abort();
    connection.close();
    peer.none();
  }

  @Test
  void closeWithUnreadDataOrDataAfterItResets() {
    TcpConnection unread = peer.established();
    peer.say(ACK, ISN + 1, unread.sender().next(), (byte) 1);
    peer.taken();
    unread.close();
    assertTrue(peer.one().has(RST));

    TcpConnection later = peer.established();
    later.close();
    assertTrue(peer.one().is(FIN | ACK));
    peer.say(ACK, ISN + 1, later.sender().next(), (byte) 1);
    assertTrue(peer.one().has(RST));
    assertEquals(0, peer.host.tcp.connections());
  }

  @Test
  void aClosedConnectionWhosePeerNeverClosesEnds() {
    TcpConnection connection = peer.established();
    connection.close();
    peer.one();
    peer.say(ACK, ISN + 1, connection.sender().next()).none();
    assertEquals(TcpState.FIN_WAIT_2, connection.state());
    assertEquals(0, peer.pass(50 * TcpHost.SECOND).size());
    peer.host.snp.deliver(ScriptedPeer.arpRequest()); // it is still there
    List<Segment> sent = peer.pass(11 * TcpHost.SECOND);
    assertTrue(sent.get(0).has(RST));
    assertEquals(0, peer.host.tcp.connections());
  }

  @Test
  void aSynWithoutAnswerIsRepeatedAndGivenUp() {
    TcpConnection connection = peer.connect();
    peer.one();
    assertEquals(0, peer.pass(900_000_000L).size());
    assertEquals(1, peer.pass(200_000_000L).size()); // after one second: RFC 6298, (2.1)
    assertEquals(0, peer.pass(1_800_000_000L).size());
    assertEquals(1, peer.pass(200_000_000L).size()); // and two: (5.5)
    peer.pass(300 * TcpHost.SECOND);
    assertEquals(Optional.of(TcpError.TIMED_OUT), connection.error());
    assertEquals(0, peer.host.tcp.connections());
    assertFalse(connection.isEstablished());
  }

  @Test
  void aFloodOfSynsKeepsNobodyOutWhoAnswers() {
    TcpListener listener = peer.host.tcp.listen(80, 4);
    for (int i = 0; i < 1_000; i++) {
      byte[] syn = peer.frame(SYN, ISN + i, 0, 1, new byte[0], new byte[0]);
      syn[35] = (byte) i; // the source port, and with it the checksum
      syn[34] = (byte) (16 + (i >> 8));
      syn[50] = 0;
      syn[51] = 0;
      byte[] segment = Arrays.copyOfRange(syn, 34, syn.length);
      peer.host.snp.deliver(ScriptedPeer.ipv4(6, ScriptedPeer.withChecksum(segment, 6, 16)));
      peer.taken();
    }
    assertEquals(4, peer.host.tcp.connections());
    peer.say(SYN, ISN, 0);
    int mine = peer.one().sequence() + 1;
    peer.say(ACK, ISN + 1, mine).none();
    assertNotNull(listener.accept());
    assertEquals(0, peer.host.count(StackCounter.TCP_SYN_DROPPED));
  }

  @Test
  void aFullQueueOfEstablishedConnectionsTakesNoMore() {
    peer.host.tcp.listen(80, 1);
    peer.say(SYN, ISN, 0);
    int mine = peer.one().sequence() + 1;
    peer.say(ACK, ISN + 1, mine).none();
    byte[] other = peer.frame(SYN, ISN, 0, 1, new byte[0], new byte[0]);
    byte[] segment = Arrays.copyOfRange(other, 34, other.length);
    segment[1]++;
    segment[16] = 0;
    segment[17] = 0;
    peer.host.snp.deliver(ScriptedPeer.ipv4(6, ScriptedPeer.withChecksum(segment, 6, 16)));
    peer.none();
    assertEquals(1, peer.host.count(StackCounter.TCP_SYN_DROPPED));
  }

  @Test
  void theTableIsBoundedAndTimeWaitMakesWay() {
    Ipv4Address address = new Ipv4Address(ScriptedPeer.PEER);
    TcpConnection waiting = peer.established();
    int mine = waiting.sender().next();
    waiting.shutdownOutput();
    peer.one();
    peer.say(FIN | ACK, ISN + 1, mine + 1);
    peer.one();
    for (int i = 1; i < Tcp.CONNECTIONS; i++) {
      peer.host.tcp.connect(address, 9);
    }
    assertEquals(Tcp.CONNECTIONS, peer.host.tcp.connections());
    peer.host.tcp.connect(address, 9);
    assertEquals(TcpState.CLOSED, waiting.state());
    assertEquals(Optional.empty(), waiting.error());
    assertThrows(IllegalStateException.class, () -> peer.host.tcp.connect(address, 9));
  }

  @Test
  void theSameSeedGivesTheSameNumbersAndAnotherDoesNot() {
    TcpPeer to = new TcpPeer(1, 2, 3);
    assertEquals(
        new SequenceKeys(5).initialSequence(9, to, 0),
        new SequenceKeys(5).initialSequence(9, to, 0));
    assertTrue(
        new SequenceKeys(5).initialSequence(9, to, 0)
            != new SequenceKeys(6).initialSequence(9, to, 0));
    SequenceKeys keys = new SequenceKeys(5);
    // RFC 6528: 250,000 a second for the same pair of ends.
    assertEquals(
        250_000, keys.initialSequence(9, to, TcpHost.SECOND) - keys.initialSequence(9, to, 0));
  }

  static int send(TcpConnection connection, int bytes) {
    return connection.send(MemorySegment.ofArray(new byte[bytes]), 0, bytes);
  }
}
