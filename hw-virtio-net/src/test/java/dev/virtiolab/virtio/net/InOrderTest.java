package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.TestNic;
import java.util.ArrayDeque;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * VIRTIO_F_IN_ORDER: "the device MUST use buffers in the same order in which they have been
 * available" (virtio v1.4, 6.1 and 2.7.9), whatever becomes of what is in them.
 */
class InOrderTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());
  private static final long IN_ORDER = FeatureBits.VIRTIO_F_IN_ORDER;
  private static final long NOWHERE = 0xffff_ffff_f000L;

  private final TestNic nic =
      TestNic.of(
          new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), false, false)
              .withFeatures(NetFeatures.USUAL.with(IN_ORDER)));

  @AfterEach
  void close() {
    nic.close();
  }

  /**
   * Takes everything back that was used, and holds it against the order in which it was offered.
   */
  private static int takeBack(DriverRing ring, Queue<Integer> offered, String seed) {
    int taken = 0;
    while (ring.poll()) {
      assertEquals(offered.remove(), ring.usedId(), seed);
      taken++;
    }
    return taken;
  }

  @Test
  void buffersAreUsedInTheOrderInWhichTheyWereAvailable() {
    SplittableRandom random = new SplittableRandom(SEED);
    String seed = "-Dvirtiolab.seed=" + SEED;
    for (int round = 0; round < 30; round++) {
      long features = TestNic.BASIC | IN_ORDER;
      features |= random.nextBoolean() ? FeatureBits.VIRTIO_NET_F_MRG_RXBUF : 0;
      features |= random.nextBoolean() ? FeatureBits.VIRTIO_F_EVENT_IDX : 0;
      nic.start(features);
      assertEquals(0xf, nic.status());
      Queue<Integer> sent = new ArrayDeque<>();
      Queue<Integer> room = new ArrayDeque<>();
      int back = 0;
      for (int step = 0; step < 200; step++) {
        for (int i = random.nextInt(4); i > 0 && nic.transmitRing().free() > 2; i--) {
          sent.add(offerTransmit(random));
        }
        for (int i = random.nextInt(4); i > 0 && nic.receiveRing().free() > 1; i--) {
          room.add(offerReceive(random));
        }
        if (random.nextInt(3) == 0) {
          nic.wire.deliver(TestNic.frame(60 + random.nextInt(3000), step));
        }
        if (random.nextInt(4) == 0) {
          nic.wire.refuse(1 + random.nextInt(3));
        }
        nic.transmitRing().publish();
        nic.receiveRing().publish();
        nic.device.poll(1 + random.nextInt(6));
        back += takeBack(nic.transmitRing(), sent, seed);
        back += takeBack(nic.receiveRing(), room, seed);
      }
      nic.wire.refuse(0);
      while (!sent.isEmpty()) {
        nic.device.poll(64);
        assertTrue(takeBack(nic.transmitRing(), sent, seed) > 0, "stuck " + seed);
      }
      assertTrue(back > 100, back + " " + seed);
      assertEquals(0xf, nic.status(), seed);
      while (nic.wire.waiting() > 0) {
        nic.wire.peek();
        nic.wire.release();
      }
    }
  }

  /** A frame, or one that is dropped: without a header, a runt, a giant, out of reach. */
  private int offerTransmit(SplittableRandom random) {
    long at = TestNic.TX_BUFFERS + 0x1000L * random.nextInt(16);
    nic.ram.asSlice(at, TestNic.HEADER_BYTES).fill((byte) 0);
    DriverRing ring = nic.transmitRing().begin();
    switch (random.nextInt(6)) {
      case 0 -> ring.readable(at, 5);
      case 1 -> ring.readable(at, TestNic.HEADER_BYTES + 13);
      case 2 -> ring.readable(at, TestNic.HEADER_BYTES + 70_000);
      case 3 -> ring.readable(at, TestNic.HEADER_BYTES).readable(NOWHERE, 60);
      case 4 -> ring.readable(at, TestNic.HEADER_BYTES).readable(at + 64, 60);
      default -> ring.readable(at, TestNic.HEADER_BYTES + 60);
    }
    return ring.offer();
  }

  private int offerReceive(SplittableRandom random) {
    long at = random.nextInt(12) == 0 ? NOWHERE : TestNic.rxBuffer(random.nextInt(256));
    return nic.receiveRing().begin().writable(at, 200 + random.nextInt(1800)).offer();
  }

  @Test
  void offeredOnlyWhereItIsAskedFor() {
    assertEquals(IN_ORDER, nic.offered() & IN_ORDER);
    try (TestNic usual = TestNic.conventional()) {
      assertEquals(0, usual.offered() & IN_ORDER);
      usual.negotiate(TestNic.BASIC | IN_ORDER);
      assertEquals(3, usual.status());
    }
  }
}
