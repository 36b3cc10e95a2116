package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who is on the link, who is behind the gateway: RFC 1122, 3.3.1. */
class RouteTest {
  private static final int FAR = 0xc6336407; // 198.51.100.7
  private static final byte[] DATA = Packets.data(7, 20);

  @Test
  void interfacesReadAndWrite() {
    for (String text : List.of("10.0.0.2", "10.0.0.2/24", "10.0.0.2/24,via=10.0.0.1")) {
      assertEquals(text, Ipv4Interface.parse(text).toString());
    }
    assertEquals("10.0.0.0/31", Ipv4Interface.parse("10.0.0.0/31").toString());
    for (String text :
        List.of(
            "",
            "10.0.0.2/",
            "10.0.0.2/33",
            "10.0.0.2/-1",
            "10.0.0.0/24",
            "10.0.0.255/24",
            "10.0.0.2/24,via=10.0.1.1",
            "10.0.0.2/24,via=10.0.0.2",
            "10.0.0.2/24,via=10.0.0.255",
            "10.0.0.2/24,via=",
            "224.0.0.1/24")) {
      assertThrows(IllegalArgumentException.class, () -> Ipv4Interface.parse(text), text);
    }
  }

  @Test
  void theBroadcastAddressOfTheLinkIsNoHost() {
    Ipv4Interface self = Ipv4Interface.parse("10.0.0.2/24");
    assertFalse(self.isHost(0x0a0000ff));
    assertFalse(self.isHost(0x0a000000));
    assertTrue(self.isHost(0x0a0001ff));
    assertTrue(Ipv4Interface.parse("10.0.0.2").isHost(0x0a0000ff));
  }

  @Test
  void whatIsNotForTheLinkGoesToTheGateway() {
    StackBench bench = new StackBench("10.0.0.2/24,via=10.0.0.1").openWithPeer();
    Ping ping = bench.stack.ping(new Ipv4Address(FAR), DATA.length);
    ping.send(StackBench.SECOND);
    byte[] frame = bench.snp.takeSent().get(0);
    assertEquals(Packets.PEER_MAC, ByteBuffer.wrap(frame).getLong(0) >>> 16);
    assertEquals(FAR, ByteBuffer.wrap(frame).getInt(30));
    byte[] data = Arrays.copyOfRange(frame, 42, frame.length);
    byte[] reply = Packets.icmpEcho(0, ping.identifier(), 1, data);
    bench.exchange(Packets.toGuest(Packets.ipv4(FAR, Packets.GUEST, 1, 1, 0, false, reply)));
    assertEquals(Ping.State.REPLIED, ping.state());
  }

  @Test
  void whatWaitsForTheGatewayIsSentToItsDestination() {
    StackBench bench = new StackBench("10.0.0.2/24,via=10.0.0.1").open();
    bench.stack.ping(new Ipv4Address(FAR), DATA.length).send(StackBench.SECOND);
    byte[] question = bench.snp.takeSent().get(0);
    assertArrayEquals(
        Packets.arp(Packets.BROADCAST, 1, Packets.GUEST_MAC, Packets.GUEST, 0, Packets.PEER),
        question);
    byte[] frame = bench.exchange(Packets.arpReply()).get(0);
    assertEquals(FAR, ByteBuffer.wrap(frame).getInt(30));
  }

  @Test
  void withoutAGatewayWhatIsNotForTheLinkIsDroppedAndCounted() {
    StackBench bench = new StackBench("10.0.0.2/24").openWithPeer();
    bench.stack.ping(new Ipv4Address(FAR), DATA.length).send(StackBench.SECOND);
    assertEquals(List.of(), bench.snp.takeSent());
    assertEquals(1, bench.count(StackCounter.IPV4_NO_ROUTE));
  }
}
