package dev.virtiolab.net.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.netty.Vxlan.Peer;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Random datagrams from a peer, another and a stranger, next to a plain model of what may pass: a
 * back end delivers exactly what the model lets pass, counts every other by its reason, and knows
 * the stations that the model knows.
 */
class VxlanHostileTest {
  private static final long SEED =
      Long.getLong("virtiolab.seed", new SplittableRandom().nextLong());
  private static final int DATAGRAMS = 20_000;
  private static final int PROBE_EVERY = 50;
  private static final long OURS = 0x5254_0012_3456L;

  private final Peer[] senders = {
    new Peer("127.0.0.2"), new Peer("127.0.0.3"), new Peer("127.0.0.4")
  };
  private final SplittableRandom random = new SplittableRandom(SEED);
  private final Map<VxlanTrouble, Long> expected = new EnumMap<>(VxlanTrouble.class);
  private final Map<Long, Integer> homes = new HashMap<>();
  private final AtomicLong nanos = new AtomicLong();

  @AfterEach
  void closeSenders() {
    for (Peer sender : senders) {
      sender.close();
    }
  }

  @Test
  void onlyWhatMayPassDoesAndTheRestIsCountedByItsReason() {
    System.out.println("seed " + SEED + " (-Dvirtiolab.seed)");
    VxlanConfig config = Vxlan.config("127.0.0.1", senders[0], senders[1]).withStorm(0);
    try (VxlanBackend backend = VxlanBackend.open(config, nanos::get, (trouble, line) -> {})) {
      Wire.send(backend, Vxlan.frame(0x0200_0000_00ffL, OURS, 0));
      senders[0].receive();
      senders[1].receive();
      for (int i = 0; i < DATAGRAMS; i++) {
        int from = random.nextInt(10);
        from = from < 5 ? 0 : from < 9 ? 1 : 2;
        byte[] datagram = next();
        VxlanTrouble trouble = judge(from, datagram);
        senders[from].send(datagram, config.local());
        if (trouble == null) {
          assertArrayEquals(
              Arrays.copyOfRange(datagram, 8, datagram.length), Wire.receive(backend), this::seed);
        } else {
          long times = expected.merge(trouble, 1L, Long::sum);
          Wire.await(trouble + ", " + seed(), () -> backend.count(trouble) >= times);
        }
        if (i % PROBE_EVERY == 0) {
          probe(backend);
        }
      }
      for (VxlanTrouble trouble : VxlanTrouble.values()) {
        assertEquals(
            expected.getOrDefault(trouble, 0L), backend.count(trouble), () -> trouble + seed());
      }
      assertEquals(0, backend.peek());
      // The chance that a run misses one of these is nil.
      Set<VxlanTrouble> met = new HashSet<>(expected.keySet());
      for (VxlanTrouble trouble :
          new VxlanTrouble[] {
            VxlanTrouble.LOOPED_BACK,
            VxlanTrouble.UNKNOWN_PEER,
            VxlanTrouble.TRUNCATED,
            VxlanTrouble.BAD_FLAGS,
            VxlanTrouble.WRONG_VNI,
            VxlanTrouble.BAD_SOURCE
          }) {
        assertTrue(met.contains(trouble), () -> trouble + seed());
      }
    }
  }

  /** A good datagram, spoiled more often than not. */
  private byte[] next() {
    long source = 0x0200_0000_0000L + random.nextInt(16);
    byte[] frame = new byte[14 + random.nextInt(100)];
    random.nextBytes(frame);
    byte[] addresses = Vxlan.frame(OURS, source, 0, 14);
    System.arraycopy(addresses, 6, frame, 6, 6);
    if (random.nextInt(8) == 0) {
      frame[6 + random.nextInt(6)] ^= (byte) (1 << random.nextInt(8));
    }
    if (random.nextInt(16) == 0) {
      System.arraycopy(Vxlan.frame(0, OURS, 0, 14), 6, frame, 6, 6);
    }
    byte[] datagram = Vxlan.datagram(Vxlan.VNI, frame);
    switch (random.nextInt(6)) {
      case 0 -> datagram[random.nextInt(8)] ^= (byte) (1 << random.nextInt(8));
      case 1 -> datagram = Arrays.copyOf(datagram, random.nextInt(40));
      case 2 -> random.nextBytes(datagram);
      default -> {
        // As it should be.
      }
    }
    return datagram;
  }

  /** The rules of RFC 7348 and of the house, byte by byte. */
  private VxlanTrouble judge(int from, byte[] datagram) {
    if (from == 2) {
      return VxlanTrouble.UNKNOWN_PEER;
    }
    if (datagram.length < 22) {
      return VxlanTrouble.TRUNCATED;
    }
    if ((datagram[0] & 8) == 0) {
      return VxlanTrouble.BAD_FLAGS;
    }
    if ((datagram[4] & 255) != 0xab || (datagram[5] & 255) != 0xcd || (datagram[6] & 255) != 0xef) {
      return VxlanTrouble.WRONG_VNI;
    }
    long source = 0;
    for (int i = 14; i < 20; i++) {
      source = source * 256 + (datagram[i] & 255);
    }
    if ((datagram[14] & 1) != 0 || source == 0) {
      return VxlanTrouble.BAD_SOURCE;
    }
    if (source == OURS) {
      return VxlanTrouble.LOOPED_BACK;
    }
    homes.put(source, from);
    return null;
  }

  /** A frame to a station of few goes to where the model has it, or to both peers. */
  private void probe(VxlanBackend backend) {
    long station = 0x0200_0000_0000L + random.nextInt(20);
    byte[] frame = Vxlan.frame(station, OURS, random.nextInt());
    Wire.send(backend, frame);
    Integer home = homes.get(station);
    for (int peer = 0; peer < 2; peer++) {
      if (home == null || home == peer) {
        senders[peer].assertReceives(frame);
      }
    }
  }

  private String seed() {
    return ", seed " + SEED;
  }
}
