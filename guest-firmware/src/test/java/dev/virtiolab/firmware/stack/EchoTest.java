package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class EchoTest {
  private static final int LARGEST = 65_507;
  private static final int FRAMES_OF_LARGEST = 45;

  private final StackBench bench = new StackBench();

  @Test
  void everyLengthComesBackByteForByte() {
    bench.openWithPeer();
    int[] lengths = {0, 1, 7, 56, 57, 1471, 1472, 1473, 1480, 2952, 2953, 9000, 65_506, LARGEST};
    for (int i = 0; i < lengths.length; i++) {
      byte[] data = Packets.data(i, lengths[i]);
      List<byte[]> sent =
          bench.exchange(Packets.framesToGuest(Packets.icmpEcho(8, 77, i, data), i));
      assertArrayEquals(
          Packets.icmpEcho(0, 77, i, data), Packets.datagram(sent), "length=" + lengths[i]);
    }
    assertEquals(lengths.length, bench.count(StackCounter.ECHO_REPLIES_OUT));
  }

  @Test
  void largestEchoIsFortyFiveFramesEachWay() {
    bench.openWithPeer();
    List<byte[]> request = Packets.framesToGuest(Packets.icmpEcho(8, 1, 1, new byte[LARGEST]), 9);
    assertEquals(FRAMES_OF_LARGEST, request.size());
    assertEquals(FRAMES_OF_LARGEST, bench.exchange(request).size());
  }

  /** The interface takes 64 frames, gives a few back at a time, and nothing is lost. */
  @Test
  void burstOfLargeEchoesLosesNothingOnASlowInterface() {
    bench.openWithPeer();
    bench.snp.hold(true);
    int pings = 20;
    for (int i = 0; i < pings; i++) {
      Packets.framesToGuest(Packets.icmpEcho(8, 5, i, Packets.data(i, LARGEST)), 100 + i)
          .forEach(bench.snp::deliver);
    }
    List<byte[]> sent = new ArrayList<>();
    for (int i = 0; i < 10_000 && sent.size() < pings * FRAMES_OF_LARGEST; i++) {
      bench.stack.poll();
      sent.addAll(bench.snp.takeSent());
      bench.snp.complete(3);
    }
    assertEquals(pings * FRAMES_OF_LARGEST, sent.size());
    for (int i = 0; i < pings; i++) {
      List<byte[]> one = sent.subList(i * FRAMES_OF_LARGEST, (i + 1) * FRAMES_OF_LARGEST);
      assertArrayEquals(Packets.icmpEcho(0, 5, i, Packets.data(i, LARGEST)), Packets.datagram(one));
    }
    assertTrue(bench.count(StackCounter.TX_BUSY) > 0);
    assertTrue(bench.count(StackCounter.BACK_PRESSURE) > 0);
  }

  @Test
  void stuckInterfaceIsNotWaitedFor() {
    bench.openWithPeer();
    bench.snp.hold(true);
    bench.snp.limit(1);
    for (int i = 0; i < 500; i++) {
      bench.snp.deliver(ping(i));
    }
    for (int i = 0; i < 100; i++) {
      bench.stack.poll();
    }
    assertTrue(bench.snp.arriving() > 0, "what cannot be answered stays with the interface");
    bench.snp.hold(false);
    bench.snp.limit(64);
    assertEquals(500, bench.exchange(List.of()).size());
  }

  @Test
  void brokenInterfaceIsCountedAndUsesUpNoBuffers() {
    bench.openWithPeer();
    bench.snp.failTransmit(EfiStatus.DEVICE_ERROR);
    int frames = 2 * TransmitPool.MIN_FRAMES;
    for (int i = 0; i < frames; i++) {
      bench.exchange(ping(i));
    }
    assertEquals(frames, bench.count(StackCounter.TX_ERROR));
    bench.snp.failTransmit(EfiStatus.SUCCESS);
    assertEquals(1, bench.exchange(ping(3)).size());
  }

  @Test
  void bufferThatWasNotInFlightIsNotTakenBack() {
    bench.openWithPeer();
    bench.snp.handBack(0x1000);
    bench.snp.handBack(0x7fff_ffff_ffff_f000L);
    assertEquals(1, bench.exchange(ping(1)).size());
    assertEquals(2, bench.count(StackCounter.TX_STRAY_BUFFER));
  }

  @Test
  void whatIsNotForUsIsDropped() {
    bench.openWithPeer();
    byte[] icmp = Packets.icmpEcho(8, 1, 1, new byte[4]);
    byte[] packet = Packets.ipv4(Packets.PEER, Packets.GUEST, 1, 1, 0, false, icmp);
    drop(
        Packets.ethernet(Packets.BROADCAST, Packets.PEER_MAC, 0x0800, packet),
        StackCounter.ETHERNET_NOT_OURS);
    drop(
        Packets.ethernet(0x525400999999L, Packets.PEER_MAC, 0x0800, packet),
        StackCounter.ETHERNET_NOT_OURS);
    drop(
        Packets.ethernet(Packets.GUEST_MAC, Packets.BROADCAST, 0x0800, packet),
        StackCounter.ETHERNET_MALFORMED);
    drop(
        Packets.ethernet(Packets.GUEST_MAC, Packets.PEER_MAC, 0x86dd, packet),
        StackCounter.ETHERNET_OTHER_TYPE);
    drop(new byte[13], StackCounter.ETHERNET_MALFORMED);
    drop(ip(Packets.PEER, Packets.GUEST + 1, 1, icmp), StackCounter.IPV4_NOT_OURS);
    drop(ip(Packets.PEER, 0x0affffff, 1, icmp), StackCounter.IPV4_NOT_OURS);
    drop(ip(0xe0000001, Packets.GUEST, 1, icmp), StackCounter.IPV4_BAD_SOURCE);
    drop(ip(0, Packets.GUEST, 1, icmp), StackCounter.IPV4_BAD_SOURCE);
    drop(ip(0x7f000001, Packets.GUEST, 1, icmp), StackCounter.IPV4_BAD_SOURCE);
    drop(ip(Packets.GUEST, Packets.GUEST, 1, icmp), StackCounter.IPV4_BAD_SOURCE);
    drop(ip(Packets.PEER, Packets.GUEST, 17, icmp), StackCounter.IPV4_OTHER_PROTOCOL);
    byte[] badIcmp = icmp.clone();
    badIcmp[2] ^= 1;
    drop(ip(Packets.PEER, Packets.GUEST, 1, badIcmp), StackCounter.ICMP_MALFORMED);
    drop(ip(Packets.PEER, Packets.GUEST, 1, new byte[7]), StackCounter.ICMP_MALFORMED);
    drop(
        ip(Packets.PEER, Packets.GUEST, 1, Packets.icmpEcho(13, 1, 1, new byte[4])),
        StackCounter.ICMP_OTHER);
    byte[] badIp = ip(Packets.PEER, Packets.GUEST, 1, icmp);
    badIp[24] ^= 1;
    drop(badIp, StackCounter.IPV4_MALFORMED);
  }

  @Test
  void optionsAreSkipped() {
    bench.openWithPeer();
    byte[] icmp = Packets.icmpEcho(8, 1, 1, new byte[4]);
    byte[] plain = Packets.ipv4(Packets.PEER, Packets.GUEST, 1, 1, 0, false, icmp);
    byte[] options = new byte[plain.length + 4];
    System.arraycopy(plain, 0, options, 0, 20);
    options[20] = options[21] = options[22] = 1;
    System.arraycopy(plain, 20, options, 24, icmp.length);
    options[0] = 0x46;
    options[3] = (byte) options.length;
    options[10] = options[11] = 0;
    byte[] header = new byte[24];
    System.arraycopy(options, 0, header, 0, 24);
    int checksum = Packets.slowChecksum(header);
    options[10] = (byte) (checksum >> 8);
    options[11] = (byte) checksum;
    List<byte[]> sent = bench.exchange(Packets.toGuest(options));
    assertArrayEquals(Packets.icmpEcho(0, 1, 1, new byte[4]), Packets.datagram(sent));
  }

  @Test
  void openBringsTheInterfaceUpAndCloseLeavesNothing() {
    long before = bench.bootServicesDataPages();
    bench.open();
    assertEquals(SimpleNetworkMode.State.INITIALIZED, bench.snp.mode().state);
    assertEquals(
        SimpleNetwork.RECEIVE_UNICAST | SimpleNetwork.RECEIVE_BROADCAST,
        bench.snp.mode().receiveFilterSetting);
    assertEquals(EfiStatus.ALREADY_STARTED, bench.stack.open());
    bench.stack.close();
    bench.stack.close();
    assertEquals(SimpleNetworkMode.State.STOPPED, bench.snp.mode().state);
    assertEquals(before, bench.bootServicesDataPages());
    assertEquals(0, bench.stack.poll());
    bench.openWithPeer();
    assertEquals(1, bench.exchange(ping(1)).size());
  }

  @Test
  void closeKeepsBuffersThatARunningInterfaceHolds() {
    bench.snp.start();
    bench.snp.initialize(0, 0);
    long before = bench.bootServicesDataPages();
    bench.openWithPeer();
    bench.snp.hold(true);
    bench.exchange(ping(1));
    // The answers to ARP and to the ping.
    assertEquals(2, bench.snp.inFlight());
    bench.stack.close();
    assertEquals(SimpleNetworkMode.State.INITIALIZED, bench.snp.mode().state);
    assertEquals(before + TransmitPool.MIN_FRAMES, bench.bootServicesDataPages());
    // The frames are as they were.
    bench.snp.complete(2);
  }

  @Test
  void interfaceOfAnotherKindIsUnsupportedAndLeftAlone() {
    long before = bench.bootServicesDataPages();
    bench.snp.mode().mediaHeaderSize = 18;
    assertEquals(EfiStatus.UNSUPPORTED, bench.stack.open());
    assertEquals(SimpleNetworkMode.State.STOPPED, bench.snp.mode().state);
    assertEquals(before, bench.bootServicesDataPages());
  }

  @Test
  void addressThatNoHostHasIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new NetworkStack(
                bench.core, bench.memory, bench.clock, bench.snp, Ipv4Address.parse("0.0.0.0")));
  }

  private void drop(byte[] frame, StackCounter counter) {
    long before = bench.count(counter);
    assertEquals(0, bench.exchange(frame).size(), counter.name());
    assertEquals(before + 1, bench.count(counter), counter.name());
  }

  private static byte[] ip(int source, int destination, int protocol, byte[] payload) {
    return Packets.toGuest(Packets.ipv4(source, destination, protocol, 1, 0, false, payload));
  }

  private static byte[] ping(int sequence) {
    byte[] message = Packets.icmpEcho(8, 1, sequence, Packets.data(sequence, 56));
    return Packets.framesToGuest(message, sequence).getFirst();
  }
}
