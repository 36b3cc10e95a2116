package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.EfiStatus;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Packets are as large as the interface takes, and never larger. */
class MtuTest {
  private static final int LARGEST = 65_507;

  private final StackBench bench = new StackBench();

  @ParameterizedTest
  @ValueSource(ints = {68, 69, 75, 76, 576, 1056, 1280, 1450, 1500, 1501, 4082, 9000, 9216, 16384})
  void anEchoOfAnyLengthComesBackInAsFewFramesAsTheMtuAllows(int mtu) {
    bench.snp.mode().maxPacketSize = mtu;
    bench.openWithPeer();
    int fragment = (mtu - 20) / 8 * 8;
    int[] lengths = {0, 1, mtu - 29, mtu - 28, mtu - 27, 2 * fragment - 8, 2 * fragment, LARGEST};
    int sequence = 0;
    for (int length : lengths) {
      if (length > LARGEST) {
        continue;
      }
      byte[] data = Packets.data(sequence, length);
      byte[] request = Packets.icmpEcho(8, 9, sequence, data);
      List<byte[]> sent = bench.exchange(Packets.framesToGuest(request, sequence, fragment));
      String at = "mtu=" + mtu + " length=" + length;
      assertArrayEquals(Packets.icmpEcho(0, 9, sequence, data), Packets.datagram(sent), at);
      int whole = mtu - 20;
      int frames = 1;
      for (int rest = request.length; rest > whole; rest -= fragment) {
        frames++;
      }
      assertEquals(frames, sent.size(), at);
      for (byte[] frame : sent) {
        assertTrue(frame.length <= 14 + mtu, at);
      }
      sequence++;
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {68, 1500, 9216})
  void aTaggedFrameOfTheFullMtuIsNobodysAndStopsNothing(int mtu) {
    bench.snp.mode().maxPacketSize = mtu;
    bench.openWithPeer();
    byte[] tagged =
        Packets.ethernet(Packets.GUEST_MAC, Packets.PEER_MAC, 0x8100, new byte[mtu + 4]);
    assertEquals(18 + mtu, tagged.length);
    byte[] ping = Packets.icmpEcho(8, 1, 1, Packets.data(1, 4));
    bench.snp.deliver(tagged);
    assertEquals(1, bench.exchange(Packets.framesToGuest(ping, 1)).size());
    assertEquals(1, bench.count(StackCounter.ETHERNET_OTHER_TYPE));
    assertEquals(0, bench.count(StackCounter.RX_ERROR));
  }

  @ParameterizedTest
  @CsvSource({"68, 128", "576, 64", "1500, 128", "9000, 384", "9216, 384"})
  void theBuffersAreBoundedAndGivenBack(int mtu, int transmitPages) {
    bench.snp.mode().maxPacketSize = mtu;
    long before = bench.bootServicesDataPages();
    assertEquals(EfiStatus.SUCCESS, bench.stack.open());
    int receivePages = (18 + mtu + 4095) / 4096;
    assertEquals(before + transmitPages + receivePages, bench.bootServicesDataPages());
    bench.stack.close();
    assertEquals(before, bench.bootServicesDataPages());
  }

  @ParameterizedTest
  @ValueSource(ints = {27, 65_536})
  void whatIpv4CannotUseIsUnsupported(int mtu) {
    bench.snp.mode().maxPacketSize = mtu;
    long before = bench.bootServicesDataPages();
    assertEquals(EfiStatus.UNSUPPORTED, bench.stack.open());
    assertEquals(before, bench.bootServicesDataPages());
  }

  /** A slow interface with the smallest packets: 1,365 frames to an answer, and none is lost. */
  @ParameterizedTest
  @ValueSource(ints = {68, 9000})
  void aBurstOfTheLargestEchoesLosesNothing(int mtu) {
    bench.snp.mode().maxPacketSize = mtu;
    bench.openWithPeer();
    bench.snp.hold(true);
    int pings = 3;
    int fragment = (mtu - 20) / 8 * 8;
    for (int i = 0; i < pings; i++) {
      Packets.framesToGuest(Packets.icmpEcho(8, 5, i, Packets.data(i, LARGEST)), 100 + i, fragment)
          .forEach(bench.snp::deliver);
    }
    int framesEach = (LARGEST + 8 + fragment - 1) / fragment;
    byte[][] sent = new byte[0][];
    for (int i = 0; i < 10_000 && sent.length < pings * framesEach; i++) {
      bench.stack.poll();
      byte[][] more = bench.snp.takeSent().toArray(new byte[0][]);
      int had = sent.length;
      sent = Arrays.copyOf(sent, had + more.length);
      System.arraycopy(more, 0, sent, had, more.length);
      bench.snp.complete(3);
    }
    assertEquals(pings * framesEach, sent.length);
    for (int i = 0; i < pings; i++) {
      List<byte[]> one = List.of(sent).subList(i * framesEach, (i + 1) * framesEach);
      assertArrayEquals(Packets.icmpEcho(0, 5, i, Packets.data(i, LARGEST)), Packets.datagram(one));
    }
  }
}
