package dev.virtiolab.firmware.stack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.Seed;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Whatever the wire says, nothing is thrown, and an honest peer is served after it. */
class HostileWireTest {
  private static final int ROUNDS = 30_000;

  private final StackBench bench = new StackBench();

  @Test
  void damagedAndInventedFramesHarmNothing() {
    SplittableRandom random = Seed.random("HostileWireTest");
    bench.openWithPeer();
    Ping ping = bench.stack.ping(new Ipv4Address(Packets.PEER), 3_000);
    List<byte[]> good = good(random);
    for (int round = 0; round < ROUNDS; round++) {
      if (ping.state() != Ping.State.WAITING) {
        ping.send(StackBench.SECOND);
      }
      byte[] frame = damage(good.get(random.nextInt(good.size())), random);
      bench.snp.deliver(frame);
      bench.stack.poll();
      bench.snp.takeSent();
      if (random.nextInt(50) == 0) {
        bench.clock.advance(random.nextLong(StackBench.SECOND));
        bench.stack.tick(bench.clock.nanos());
      }
    }
    assertEquals(ROUNDS + 1, bench.count(StackCounter.RX_FRAMES));
    bench.pass(61 * StackBench.SECOND);
    bench.snp.takeSent();
    bench.exchange(Packets.arpRequest());
    byte[] data = Packets.data(1, 20_000);
    List<byte[]> sent = bench.exchange(Packets.framesToGuest(Packets.icmpEcho(8, 3, 4, data), 5));
    assertArrayEquals(Packets.icmpEcho(0, 3, 4, data), Packets.datagram(sent));
  }

  @Test
  void framesOfEveryLengthUpToTheBufferAreTaken() {
    bench.openWithPeer();
    for (int length = 1; length <= 4096; length++) {
      byte[] frame = Arrays.copyOf(Packets.arpRequest(), length);
      assertTrue(bench.exchange(frame).size() <= 1);
    }
    assertEquals(4097, bench.count(StackCounter.RX_FRAMES));
  }

  private static List<byte[]> good(SplittableRandom random) {
    List<byte[]> frames = new ArrayList<>();
    frames.add(Packets.arpRequest());
    frames.add(Packets.arpReply());
    for (int i = 0; i < 20; i++) {
      byte[] data = Packets.data(i, random.nextInt(10_000));
      frames.addAll(Packets.framesToGuest(Packets.icmpEcho(i % 2 * 8, 1, i, data), i));
    }
    return frames;
  }

  /** Cut short, made longer, or with a few fields of chance, headers repaired half of the time. */
  private static byte[] damage(byte[] frame, SplittableRandom random) {
    byte[] bytes = frame.clone();
    int hits = random.nextInt(5);
    for (int i = 0; i < hits; i++) {
      int at = 12 + random.nextInt(Math.min(36, bytes.length - 12));
      bytes[at] = (byte) (random.nextBoolean() ? random.nextInt() : bytes[at] ^ 1 << i);
    }
    if (random.nextBoolean() && bytes.length >= 34) {
      bytes[24] = 0;
      bytes[25] = 0;
      int header = Math.min(Math.max(20, (bytes[14] & 0xf) * 4), bytes.length - 14);
      int checksum = Packets.slowChecksum(Arrays.copyOfRange(bytes, 14, 14 + header));
      bytes[24] = (byte) (checksum >> 8);
      bytes[25] = (byte) checksum;
    }
    return switch (random.nextInt(4)) {
      case 0 -> Arrays.copyOf(bytes, 1 + random.nextInt(bytes.length));
      case 1 -> Arrays.copyOf(bytes, Math.min(1514, bytes.length + random.nextInt(100)));
      default -> bytes;
    };
  }
}
