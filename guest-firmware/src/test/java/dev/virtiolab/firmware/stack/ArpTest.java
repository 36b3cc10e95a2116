package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class ArpTest {
  private static final byte[] QUESTION =
      Packets.arp(Packets.BROADCAST, 1, Packets.GUEST_MAC, Packets.GUEST, 0, Packets.PEER);
  private static final byte[] ANSWER =
      Packets.arp(
          Packets.PEER_MAC, 2, Packets.GUEST_MAC, Packets.GUEST, Packets.PEER_MAC, Packets.PEER);

  private final StackBench bench = new StackBench();

  @Test
  void requestForOurAddressIsAnswered() {
    bench.open();
    List<byte[]> sent = bench.exchange(Packets.arpRequest());
    assertEquals(1, sent.size());
    assertArrayEquals(ANSWER, sent.getFirst());
  }

  @Test
  void requestForAnotherAddressIsNot() {
    bench.open();
    byte[] other =
        Packets.arp(Packets.BROADCAST, 1, Packets.PEER_MAC, Packets.PEER, 0, Packets.GUEST + 1);
    assertEquals(0, bench.exchange(other).size());
  }

  @Test
  void probeOfOurAddressIsAnsweredAndAddsNoNeighbour() {
    bench.open();
    byte[] probe = Packets.arp(Packets.BROADCAST, 1, Packets.PEER_MAC, 0, 0, Packets.GUEST);
    List<byte[]> sent = bench.exchange(probe);
    assertEquals(1, sent.size());
    assertEquals(1, bench.count(StackCounter.ARP_REPLIES_OUT));
  }

  @Test
  void whoeverAsksForUsIsKnown() {
    bench.openWithPeer();
    List<byte[]> sent = bench.exchange(ping(1));
    assertEquals(1, sent.size());
    assertEquals(0, bench.count(StackCounter.ARP_REQUESTS_OUT));
  }

  @Test
  void answerWaitsForItsNeighbour() {
    bench.open();
    List<byte[]> sent = bench.exchange(ping(1));
    assertEquals(1, sent.size());
    assertArrayEquals(QUESTION, sent.getFirst());
    sent = bench.exchange(Packets.arpReply());
    assertEquals(1, sent.size());
    assertArrayEquals(Packets.icmpEcho(0, 1, 1, Packets.data(1, 56)), Packets.datagram(sent));
  }

  @Test
  void waitingIsBoundedAndTheOldestMakesWay() {
    bench.open();
    for (int i = 1; i <= 5; i++) {
      bench.exchange(ping(i));
    }
    assertEquals(2, bench.count(StackCounter.ARP_WAITING_DROPPED));
    assertEquals(1, bench.count(StackCounter.ARP_REQUESTS_OUT));
    List<byte[]> sent = bench.exchange(Packets.arpReply());
    assertEquals(3, sent.size());
    for (int i = 0; i < 3; i++) {
      assertArrayEquals(
          Packets.icmpEcho(0, 1, i + 3, Packets.data(i + 3, 56)),
          Packets.datagram(sent.subList(i, i + 1)));
    }
  }

  @Test
  void questionIsRepeatedThreeTimesAndThenGivenUp() {
    bench.open();
    bench.exchange(ping(1));
    bench.pass(10 * StackBench.SECOND);
    List<byte[]> sent = bench.snp.takeSent();
    assertEquals(2, sent.size());
    assertArrayEquals(QUESTION, sent.getFirst());
    assertEquals(1, bench.count(StackCounter.ARP_UNANSWERED));
    assertEquals(1, bench.count(StackCounter.ARP_WAITING_DROPPED));
    // An answer that nobody waits for any more adds nothing.
    bench.exchange(Packets.arpReply());
    assertArrayEquals(QUESTION, bench.exchange(ping(2)).getFirst());
  }

  @Test
  void replyThatNobodyAskedForAddsNoNeighbour() {
    bench.open();
    bench.exchange(Packets.arpReply());
    assertArrayEquals(QUESTION, bench.exchange(ping(1)).getFirst());
  }

  @Test
  void neighbourThatMovesIsFollowed() {
    bench.openWithPeer();
    long moved = 0x020000000099L;
    bench.exchange(Packets.arp(Packets.BROADCAST, 1, moved, Packets.PEER, 0, Packets.GUEST + 7));
    byte[] reply = bench.exchange(ping(1)).getFirst();
    assertEquals((byte) 0x99, reply[5]);
  }

  @Test
  void knownNeighbourIsAskedForAgainBeforeItExpires() {
    bench.openWithPeer();
    bench.clock.advance(50 * StackBench.SECOND);
    bench.stack.tick(bench.clock.nanos());
    List<byte[]> sent = bench.exchange(List.of(ping(1), ping(2)));
    // The stream goes on meanwhile, and the question is asked once.
    assertEquals(3, sent.size());
    assertArrayEquals(QUESTION, sent.getFirst());
    bench.exchange(Packets.arpReply());
    bench.pass(20 * StackBench.SECOND);
    assertEquals(1, bench.exchange(ping(3)).size());
  }

  @Test
  void neighbourExpires() {
    bench.openWithPeer();
    bench.pass(61 * StackBench.SECOND);
    assertArrayEquals(QUESTION, bench.exchange(ping(1)).getFirst());
  }

  @Test
  void neighboursAreBounded() {
    bench.openWithPeer();
    for (int i = 0; i < 1000; i++) {
      bench.exchange(
          Packets.arp(
              Packets.BROADCAST, 1, Packets.PEER_MAC, Packets.PEER + 0x100 + i, 0, Packets.GUEST));
    }
    assertEquals(1000 - (ArpCache.NEIGHBOURS - 1), bench.count(StackCounter.ARP_EVICTED));
  }

  @Test
  void claimOfOurAddressIsCountedAndNotBelieved() {
    bench.open();
    byte[] claim =
        Packets.arp(Packets.BROADCAST, 1, Packets.PEER_MAC, Packets.GUEST, 0, Packets.GUEST);
    assertEquals(0, bench.exchange(claim).size());
    assertEquals(1, bench.count(StackCounter.ARP_CONFLICT));
  }

  @Test
  void nonsenseIsCounted() {
    bench.open();
    bench.exchange(Packets.arp(Packets.BROADCAST, 3, Packets.PEER_MAC, Packets.PEER, 0, 0));
    bench.exchange(
        Packets.arp(Packets.BROADCAST, 1, Packets.PEER_MAC, 0xe0000001, 0, Packets.GUEST));
    byte[] cut = new byte[41];
    System.arraycopy(Packets.arpRequest(), 0, cut, 0, 41);
    bench.exchange(cut);
    assertEquals(3, bench.count(StackCounter.ARP_MALFORMED));
    assertTrue(bench.snp.takeSent().isEmpty());
  }

  private static byte[] ping(int sequence) {
    byte[] message = Packets.icmpEcho(8, 1, sequence, Packets.data(sequence, 56));
    return Packets.framesToGuest(message, sequence).getFirst();
  }
}
