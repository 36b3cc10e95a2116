package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Every field against frames written out byte by byte. */
class LayoutTest {
  private static final byte[] ARP_REPLY =
      Packets.hex(
          """
          525400123456 020000000001 0806
          0001 0800 06 04 0002
          020000000001 0a000001
          525400123456 0a000002
          """);

  private static final byte[] PING =
      Packets.hex(
          """
          525400123456 020000000001 0800
          46 00 0022 1234 2005 40 01 319f 0a000001 0a000002 01010100
          08 00 0ae9 abcd 0007 4142
          ffff
          """);

  @Test
  void arpReplyReadsAndWrites() {
    EthernetFrame frame = new EthernetFrame();
    assertTrue(frame.wrap(MemorySegment.ofArray(ARP_REPLY), ARP_REPLY.length));
    assertEquals(Packets.GUEST_MAC, frame.destination());
    assertEquals(Packets.PEER_MAC, frame.source());
    assertEquals(EthernetLayout.TYPE_ARP, frame.type());
    ArpPacket arp = new ArpPacket();
    assertTrue(
        arp.wrap(MemorySegment.ofArray(ARP_REPLY), frame.payloadOffset(), frame.payloadLength()));
    assertEquals(ArpLayout.REPLY, arp.operation());
    assertEquals(Packets.PEER_MAC, arp.senderHardware());
    assertEquals(Packets.PEER, arp.senderProtocol());
    assertEquals(Packets.GUEST, arp.targetProtocol());

    MemorySegment made = MemorySegment.ofArray(new byte[ARP_REPLY.length]);
    EthernetFrame.put(made, Packets.GUEST_MAC, Packets.PEER_MAC, EthernetLayout.TYPE_ARP);
    ArpPacket.put(
        made,
        EthernetLayout.HEADER_BYTES,
        ArpLayout.REPLY,
        Packets.PEER_MAC,
        Packets.PEER,
        Packets.GUEST_MAC,
        Packets.GUEST);
    assertArrayEquals(ARP_REPLY, (byte[]) made.heapBase().orElseThrow());
    assertArrayEquals(ARP_REPLY, Packets.arpReply());
  }

  @Test
  void pingWithOptionsPaddingAndFragmentFieldsReads() {
    MemorySegment bytes = MemorySegment.ofArray(PING);
    Ipv4Packet packet = new Ipv4Packet();
    assertTrue(packet.wrap(bytes, 14, PING.length - 14));
    assertEquals(0x1234, packet.identification());
    assertTrue(packet.moreFragments());
    assertTrue(packet.isFragment());
    assertEquals(40, packet.fragmentOffset());
    assertEquals(64, packet.timeToLive());
    assertEquals(Ipv4Layout.PROTOCOL_ICMP, packet.protocol());
    assertEquals(Packets.PEER, packet.source());
    assertEquals(Packets.GUEST, packet.destination());
    assertEquals(38, packet.payloadOffset());
    assertEquals(10, packet.payloadLength());
    IcmpMessage icmp = new IcmpMessage();
    assertTrue(icmp.wrap(bytes, packet.payloadOffset(), packet.payloadLength()));
    assertEquals(IcmpLayout.ECHO_REQUEST, icmp.type());
    assertEquals(0, icmp.code());
    assertEquals(0xabcd, icmp.identifier());
    assertEquals(7, icmp.sequence());
    assertEquals(46, icmp.dataOffset());
    assertEquals(2, icmp.dataLength());
  }

  @Test
  void headersThatAreWrittenAreTheOnesMadeByHand() {
    byte[] data = Packets.data(1, 33);
    byte[] icmp = Packets.icmpEcho(8, 0xabcd, 7, data);
    byte[] packet = Packets.ipv4(Packets.GUEST, Packets.PEER, 1, 0x1234, 80, true, icmp);
    byte[] made = new byte[packet.length];
    MemorySegment segment = MemorySegment.ofArray(made);
    System.arraycopy(data, 0, made, 28, data.length);
    IcmpMessage.putEcho(segment, 20, IcmpLayout.ECHO_REQUEST, 0xabcd, 7, data.length);
    Ipv4Packet.put(
        segment, 0, icmp.length, 0x1234, 0x2000 | 10, 64, 1, Packets.GUEST, Packets.PEER);
    assertArrayEquals(packet, made);
  }

  @Test
  void noViewLooksPastTheEnd() {
    EthernetFrame frame = new EthernetFrame();
    assertFalse(frame.wrap(MemorySegment.ofArray(PING), 13));
    assertFalse(frame.wrap(MemorySegment.ofArray(PING), PING.length + 1));
    ArpPacket arp = new ArpPacket();
    assertFalse(arp.wrap(MemorySegment.ofArray(ARP_REPLY), 14, 27));
    Ipv4Packet packet = new Ipv4Packet();
    // The total length is 34.
    assertTrue(packet.wrap(MemorySegment.ofArray(PING), 14, 34));
    assertFalse(packet.wrap(MemorySegment.ofArray(PING), 14, 33));
    assertFalse(packet.wrap(MemorySegment.ofArray(PING), 14, 19));
    IcmpMessage icmp = new IcmpMessage();
    assertFalse(icmp.wrap(MemorySegment.ofArray(PING), 38, 7));
  }

  @Test
  void oneWrongBitInAHeaderIsSeen() {
    for (int bit = 0; bit < 24 * 8; bit++) {
      byte[] wrong = PING.clone();
      wrong[14 + bit / 8] ^= (byte) (1 << bit % 8);
      assertFalse(new Ipv4Packet().wrap(MemorySegment.ofArray(wrong), 14, 36), "bit " + bit);
    }
    for (int bit = 0; bit < 10 * 8; bit++) {
      byte[] wrong = PING.clone();
      wrong[38 + bit / 8] ^= (byte) (1 << bit % 8);
      assertFalse(new IcmpMessage().wrap(MemorySegment.ofArray(wrong), 38, 10), "bit " + bit);
    }
  }

  @Test
  void arpOfOtherKindsOrFromNobodyIsRefused() {
    for (int at : new int[] {0, 1, 2, 3, 4, 5}) {
      byte[] wrong = Arrays.copyOfRange(ARP_REPLY, 14, 42);
      wrong[at] ^= 1;
      assertFalse(new ArpPacket().wrap(MemorySegment.ofArray(wrong), 0, 28), "byte " + at);
    }
    byte[] group = Arrays.copyOfRange(ARP_REPLY, 14, 42);
    group[8] |= 1;
    assertFalse(new ArpPacket().wrap(MemorySegment.ofArray(group), 0, 28));
    byte[] nobody = Arrays.copyOfRange(ARP_REPLY, 14, 42);
    Arrays.fill(nobody, 8, 14, (byte) 0);
    assertFalse(new ArpPacket().wrap(MemorySegment.ofArray(nobody), 0, 28));
  }

  @Test
  void addressesReadAndWrite() {
    assertEquals(new Ipv4Address(Packets.GUEST), Ipv4Address.parse("10.0.0.2"));
    assertEquals("255.0.10.255", Ipv4Address.parse("255.0.10.255").toString());
    for (String text :
        new String[] {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.x", "01.2.3.4"}) {
      assertThrows(IllegalArgumentException.class, () -> Ipv4Address.parse(text), text);
    }
    for (String text : new String[] {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
      assertFalse(Ipv4Address.parse(text).isHost(), text);
    }
    assertTrue(Ipv4Address.parse("192.0.2.1").isHost());
  }
}
