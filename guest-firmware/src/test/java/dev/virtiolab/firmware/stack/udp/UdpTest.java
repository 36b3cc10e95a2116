package dev.virtiolab.firmware.stack.udp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.NetworkStack;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.fixture.FakeSimpleNetwork;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** RFC 768 and RFC 1122, 4.1, with frames made by hand. */
class UdpTest {
  private static final long GUEST_MAC = 0x525400123456L;
  private static final long RAM_BYTES = 16L << 20;
  private static final Ipv4Address PEER = Ipv4Address.parse("10.0.0.1");

  private final FlatCpuMemory memory = new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8));
  private final VirtualClock clock = new VirtualClock();
  private final DxeCore core = new DxeCore(memory, clock, HandOffs.withRam(RAM_BYTES));
  private final FakeSimpleNetwork snp = new FakeSimpleNetwork(memory, new MacAddress(GUEST_MAC));
  private final NetworkStack stack =
      new NetworkStack(core, memory, clock, snp, Ipv4Address.parse("10.0.0.2"));
  private final Udp udp = new Udp(stack.sender(), stack.counters(), clock);

  @BeforeEach
  void open() {
    stack.add(udp);
    assertEquals(EfiStatus.SUCCESS, stack.open());
    exchange(
        hex(
            "ffffffffffff 020000000001 0806 0001080006040001"
                + "020000000001 0a000001 000000000000 0a000002"));
  }

  private static byte[] hex(String text) {
    return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
  }

  private List<byte[]> exchange(byte[] frame) {
    snp.deliver(frame);
    while (stack.poll() > 0) {
      // poll() has a bound of its own.
    }
    return snp.takeSent();
  }

  /** From 10.0.0.1 port 4000 to 10.0.0.2 port 53. */
  private static byte[] frame(int length, int checksum, byte[] payload) {
    byte[] header =
        ByteBuffer.allocate(20)
            .putShort((short) 0x4500)
            .putShort((short) (28 + payload.length))
            .putInt(0)
            .putShort((short) 0x4011)
            .putShort((short) 0)
            .putInt(0x0a000001)
            .putInt(0x0a000002)
            .array();
    ByteBuffer.wrap(header).putShort(10, (short) sum(header));
    return ByteBuffer.allocate(42 + payload.length)
        .put(hex("525400123456 020000000001 0800"))
        .put(header)
        .putShort((short) 4000)
        .putShort((short) 53)
        .putShort((short) length)
        .putShort((short) checksum)
        .put(payload)
        .array();
  }

  private static int sum(byte[] bytes) {
    int sum = 0;
    for (int i = 0; i < bytes.length; i += 2) {
      sum += (bytes[i] & 0xff) << 8 | (i + 1 < bytes.length ? bytes[i + 1] & 0xff : 0);
      sum = (sum & 0xffff) + (sum >>> 16);
    }
    return ~sum & 0xffff;
  }

  private static int checksum(int length, byte[] payload) {
    return sum(
        ByteBuffer.allocate(20 + payload.length)
            .putInt(0x0a000001)
            .putInt(0x0a000002)
            .putShort((short) 17)
            .putShort((short) length)
            .putShort((short) 4000)
            .putShort((short) 53)
            .putShort((short) length)
            .putShort((short) 0)
            .put(payload)
            .array());
  }

  private long count(StackCounter counter) {
    return stack.counters().value(counter);
  }

  @Test
  void aDatagramIsReceivedWithItsSender() {
    UdpSocket socket = udp.open(53);
    byte[] payload = {1, 2, 3, 4, 5};
    exchange(frame(13, checksum(13, payload), payload));
    exchange(frame(12, 0, payload)); // no checksum, and the last byte is padding
    byte[] got = new byte[3];
    MemorySegment to = MemorySegment.ofArray(got);
    assertEquals(3, socket.receive(to, 0, 3)); // the rest is lost
    assertArrayEquals(new byte[] {1, 2, 3}, got);
    assertEquals(PEER, socket.sourceAddress());
    assertEquals(4000, socket.sourcePort());
    byte[] whole = new byte[9];
    assertEquals(4, socket.receive(MemorySegment.ofArray(whole), 0, 9));
    assertEquals(-1, socket.receive(to, 0, 3));
  }

  @Test
  void whatIsSentIsAsTheRfcSays() {
    UdpSocket socket = udp.open(53);
    byte[] payload = {9, 8, 7};
    assertTrue(socket.send(PEER, 4000, MemorySegment.ofArray(payload), 0, 3));
    stack.poll();
    byte[] sent = snp.takeSent().get(0);
    assertArrayEquals(hex("0035 0fa0 000b"), Arrays.copyOfRange(sent, 34, 40));
    byte[] summed =
        ByteBuffer.allocate(12 + sent.length - 34)
            .putInt(0x0a000002)
            .putInt(0x0a000001)
            .putShort((short) 17)
            .putShort((short) 11)
            .put(sent, 34, sent.length - 34)
            .array();
    assertEquals(0, sum(summed));
    // Of one of these the sum is 0, which goes as all ones.
    byte[] zero = {9, 8, 7, 0, 0, 0};
    for (int i = 0; i < 0x10000; i++) {
      zero[4] = (byte) (i >> 8);
      zero[5] = (byte) i;
      socket.send(PEER, 4000, MemorySegment.ofArray(zero), 0, 6);
      stack.poll();
      byte[] frame = snp.takeSent().get(0);
      assertFalse(frame[40] == 0 && frame[41] == 0, "no checksum was sent");
    }
  }

  @Test
  void damagedDatagramsAreDroppedAndCounted() {
    UdpSocket socket = udp.open(53);
    byte[] payload = {1, 2, 3};
    byte[] good = frame(11, checksum(11, payload), payload);
    for (int bit = 34 * 8; bit < good.length * 8; bit++) {
      byte[] wrong = good.clone();
      wrong[bit / 8] ^= (byte) (1 << bit % 8);
      assertEquals(List.of(), exchange(wrong), "bit " + bit);
    }
    assertEquals(11 * 8, count(StackCounter.UDP_MALFORMED));
    for (int length : new int[] {0, 7, 12, 0xffff}) {
      exchange(frame(length, 0, payload));
    }
    assertEquals(11 * 8 + 4, count(StackCounter.UDP_MALFORMED));
    assertEquals(-1, socket.receive(MemorySegment.ofArray(payload), 0, 3));
  }

  @Test
  void whoAsksForNobodysPortIsToldSoALittle() {
    byte[] payload = {1, 2, 3};
    byte[] frame = frame(11, 0, payload);
    byte[] answer = exchange(frame).get(0);
    byte[] message = Arrays.copyOfRange(answer, 34, answer.length);
    assertEquals(0, sum(message));
    assertArrayEquals(hex("0303"), Arrays.copyOf(message, 2));
    // The header and 8 bytes: RFC 792.
    assertArrayEquals(
        Arrays.copyOfRange(frame, 14, 42), Arrays.copyOfRange(message, 8, message.length));
    int answers = 0;
    for (int i = 0; i < 1_000; i++) {
      answers += exchange(frame).size();
    }
    assertEquals(49, answers);
    clock.advance(1_000_000_000L);
    answers = 0;
    for (int i = 0; i < 1_000; i++) {
      answers += exchange(frame).size();
    }
    assertEquals(50, answers);
  }

  @Test
  void aFullQueueDropsWhatIsNew() {
    UdpSocket socket = udp.open(53);
    byte[] payload = new byte[1_400];
    for (int i = 0; i < 1_000; i++) {
      payload[0] = (byte) i;
      exchange(frame(1_408, 0, payload));
    }
    int waiting = UdpSocket.QUEUE_BYTES / 1_400;
    assertEquals(1_000 - waiting, count(StackCounter.UDP_QUEUE_FULL));
    MemorySegment to = MemorySegment.ofArray(payload);
    for (int i = 0; i < waiting; i++) {
      assertEquals(1_400, socket.receive(to, 0, 1_400));
      assertEquals((byte) i, payload[0]);
    }
    for (int i = 0; i < 1_000; i++) {
      exchange(frame(8, 0, new byte[0]));
    }
    assertEquals(
        1_000 - waiting + 1_000 - UdpSocket.QUEUE_DATAGRAMS, count(StackCounter.UDP_QUEUE_FULL));
  }

  @Test
  void portsAreTakenOnceAndGivenBack() {
    UdpSocket socket = udp.open(53);
    assertThrows(IllegalStateException.class, () -> udp.open(53));
    assertThrows(IllegalArgumentException.class, () -> udp.open(65_536));
    socket.close();
    udp.open(53);
    for (int i = 1; i < Udp.SOCKETS; i++) {
      assertTrue(udp.open(0).port() >= 49_152);
    }
    assertThrows(IllegalStateException.class, () -> udp.open(0));
  }

  @Test
  void impossibleDatagramsAreRefused() {
    UdpSocket socket = udp.open(53);
    MemorySegment large = MemorySegment.ofArray(new byte[65_508]);
    assertThrows(IllegalArgumentException.class, () -> socket.send(PEER, 1, large, 0, 65_508));
    assertThrows(IllegalArgumentException.class, () -> socket.send(PEER, 0, large, 0, 1));
    for (String nobody : List.of("224.0.0.1", "255.255.255.255", "10.0.0.2")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> socket.send(Ipv4Address.parse(nobody), 1, large, 0, 1),
          nobody);
    }
  }

  @Test
  void aSocketHearsThatItsDatagramDidNotArrive() {
    UdpSocket socket = udp.open(53);
    byte[] payload = {1};
    socket.send(PEER, 4000, MemorySegment.ofArray(payload), 0, 1);
    stack.poll();
    byte[] sent = snp.takeSent().get(0);
    byte[] message =
        ByteBuffer.allocate(36).putLong(0x0303_0000_0000_0000L).put(sent, 14, 28).array();
    ByteBuffer.wrap(message).putShort(2, (short) sum(message));
    byte[] icmp = frame(0, 0, Arrays.copyOfRange(message, 8, 36));
    System.arraycopy(message, 0, icmp, 34, 8);
    icmp[23] = 1;
    icmp[24] = 0;
    icmp[25] = 0;
    int header = sum(Arrays.copyOfRange(icmp, 14, 34));
    icmp[24] = (byte) (header >> 8);
    icmp[25] = (byte) header;
    exchange(icmp);
    assertEquals(1, socket.unreachable());
    icmp[60 - 18] ^= 1; // of another datagram's header: the checksum is wrong
    exchange(icmp);
    assertEquals(1, socket.unreachable());
  }
}
