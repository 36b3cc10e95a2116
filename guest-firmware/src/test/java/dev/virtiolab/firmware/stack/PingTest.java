package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class PingTest {
  private static final Ipv4Address PEER = new Ipv4Address(Packets.PEER);
  private static final long SECOND = StackBench.SECOND;

  private final StackBench bench = new StackBench();

  @Test
  void replyEndsTheWaitWithItsTime() {
    bench.openWithPeer();
    Ping ping = bench.stack.ping(PEER, 56);
    assertEquals(Ping.State.IDLE, ping.state());
    for (int i = 1; i <= 3; i++) {
      assertTrue(ping.send(SECOND));
      assertEquals(Ping.State.WAITING, ping.state());
      assertEquals(i, ping.sequence());
      byte[] request = sent();
      bench.clock.advance(i * 1000);
      answer(request, i);
      assertEquals(Ping.State.REPLIED, ping.state());
      assertEquals(i * 1000, ping.roundTripNanos());
      assertEquals(64, ping.timeToLive());
    }
    assertEquals(3, ping.sent());
    assertEquals(3, ping.replies());
    assertEquals(0, ping.timeouts());
    assertEquals(3, bench.count(StackCounter.ECHO_REPLIES_IN));
  }

  @Test
  void largestRequestGoesInFragmentsAndItsReplyComesInThem() {
    bench.openWithPeer();
    Ping ping = bench.stack.ping(PEER, Ping.MAX_PAYLOAD_BYTES);
    assertTrue(ping.send(SECOND));
    byte[] request = sent();
    assertEquals(8 + 65_507, request.length);
    answer(request, 1);
    assertEquals(Ping.State.REPLIED, ping.state());
  }

  @Test
  void firstRequestWaitsForTheNeighbour() {
    bench.open();
    Ping ping = bench.stack.ping(PEER, 10_000);
    assertTrue(ping.send(SECOND));
    assertEquals(1, bench.snp.takeSent().size());
    List<byte[]> frames = bench.exchange(Packets.arpReply());
    answer(Packets.datagram(frames), 1);
    assertEquals(Ping.State.REPLIED, ping.state());
  }

  @Test
  void silenceIsATimeout() {
    bench.openWithPeer();
    Ping ping = bench.stack.ping(PEER, 0);
    assertTrue(ping.send(SECOND));
    byte[] request = sent();
    bench.pass(SECOND - SECOND / 10);
    assertEquals(Ping.State.WAITING, ping.state());
    bench.pass(SECOND / 10);
    assertEquals(Ping.State.TIMED_OUT, ping.state());
    assertEquals(1, ping.timeouts());
    // The late reply changes nothing.
    answer(request, 1);
    assertEquals(Ping.State.TIMED_OUT, ping.state());
    assertEquals(1, bench.count(StackCounter.ECHO_REPLY_STRAY));
    // A request that is overtaken by the next counts as lost too.
    assertTrue(ping.send(SECOND));
    assertTrue(ping.send(SECOND));
    assertEquals(2, ping.timeouts());
    assertEquals(3, ping.sent());
  }

  @Test
  void replyWithOtherBytesIsNone() {
    bench.openWithPeer();
    Ping ping = bench.stack.ping(PEER, 100);
    assertTrue(ping.send(SECOND));
    byte[] data = Arrays.copyOfRange(sent(), 8, 108);
    data[99]++;
    deliver(Packets.icmpEcho(0, ping.identifier(), 1, data), 1);
    deliver(Packets.icmpEcho(0, ping.identifier(), 1, new byte[99]), 2);
    assertEquals(Ping.State.WAITING, ping.state());
    assertEquals(2, bench.count(StackCounter.ECHO_REPLY_CORRUPT));
    data[99]--;
    deliver(Packets.icmpEcho(0, ping.identifier(), 1, data), 3);
    assertEquals(Ping.State.REPLIED, ping.state());
    deliver(Packets.icmpEcho(0, ping.identifier(), 1, data), 4);
    assertEquals(1, bench.count(StackCounter.ECHO_REPLY_STRAY));
    assertEquals(1, ping.replies());
  }

  @Test
  void replyToSomebodyElseIsStray() {
    bench.openWithPeer();
    Ping ping = bench.stack.ping(PEER, 4);
    assertTrue(ping.send(SECOND));
    byte[] request = sent();
    deliver(Packets.icmpEcho(0, ping.identifier() + 1, 1, new byte[4]), 1);
    byte[] reply = reply(request);
    bench.exchange(
        Packets.toGuest(Packets.ipv4(Packets.PEER + 5, Packets.GUEST, 1, 2, 0, false, reply)));
    assertEquals(Ping.State.WAITING, ping.state());
    ping.close();
    answer(request, 3);
    assertEquals(3, bench.count(StackCounter.ECHO_REPLY_STRAY));
  }

  @Test
  void requestThatHasNoRoomChangesNothing() {
    bench.openWithPeer();
    bench.snp.hold(true);
    bench.snp.limit(0);
    Ping ping = bench.stack.ping(PEER, Ping.MAX_PAYLOAD_BYTES);
    int accepted = 0;
    while (accepted < 100 && ping.send(SECOND)) {
      accepted++;
    }
    assertEquals(2, accepted);
    assertEquals(2, ping.sequence());
    assertEquals(2, ping.sent());
    bench.snp.hold(false);
    bench.snp.limit(64);
    bench.stack.poll();
    assertTrue(ping.send(SECOND));
  }

  @Test
  void whatCannotBePingedIsRefused() {
    bench.open();
    NetworkStack stack = bench.stack;
    assertThrows(IllegalArgumentException.class, () -> stack.ping(PEER, 65_508));
    assertThrows(IllegalArgumentException.class, () -> stack.ping(PEER, -1));
    Ipv4Address own = new Ipv4Address(Packets.GUEST);
    assertThrows(IllegalArgumentException.class, () -> stack.ping(own, 0));
    Ipv4Address group = Ipv4Address.parse("224.0.0.1");
    assertThrows(IllegalArgumentException.class, () -> stack.ping(group, 0));
    for (int i = 0; i < 16; i++) {
      stack.ping(PEER, 0);
    }
    assertThrows(IllegalStateException.class, () -> stack.ping(PEER, 0));
    assertFalse(stack.poll() > 0);
  }

  private byte[] sent() {
    byte[] message = Packets.datagram(bench.snp.takeSent());
    assertEquals(8, message[0]);
    byte[] data = Arrays.copyOfRange(message, 8, message.length);
    int identifier = (message[4] & 0xff) << 8 | message[5] & 0xff;
    int sequence = (message[6] & 0xff) << 8 | message[7] & 0xff;
    assertArrayEquals(Packets.icmpEcho(8, identifier, sequence, data), message);
    return message;
  }

  private static byte[] reply(byte[] request) {
    int identifier = (request[4] & 0xff) << 8 | request[5] & 0xff;
    int sequence = (request[6] & 0xff) << 8 | request[7] & 0xff;
    return Packets.icmpEcho(
        0, identifier, sequence, Arrays.copyOfRange(request, 8, request.length));
  }

  private void answer(byte[] request, int id) {
    deliver(reply(request), id);
  }

  private void deliver(byte[] message, int id) {
    bench.exchange(Packets.framesToGuest(message, id));
  }
}
