package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.StagedBus;
import dev.virtiolab.virtio.fixture.TestNic;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A device whose memory is reached by messages: every store arrives, and in order, and what is put
 * off is tried again though no kick comes for it.
 */
class StagedMemoryTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final int ROUNDS = 200;
  private static final int SMALL_BUFFER = 512;

  private TestNic nic;
  private int offered;

  private static void await(BooleanSupplier condition, String what) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() - start < DEADLINE_NANOS, "waited in vain: " + what);
      Thread.onSpinWait();
    }
  }

  @ParameterizedTest
  @ValueSource(
      longs = {
        0,
        FeatureBits.VIRTIO_F_EVENT_IDX,
        FeatureBits.VIRTIO_NET_F_MRG_RXBUF | FeatureBits.VIRTIO_F_EVENT_IDX,
        FeatureBits.VIRTIO_NET_F_MRG_RXBUF | FeatureBits.VIRTIO_F_INDIRECT_DESC
      })
  void nothingIsLostToWhatIsPutOff(long features) {
    System.out.println("StagedMemoryTest: -Dvirtiolab.seed=" + SEED);
    SplittableRandom random = new SplittableRandom(SEED);
    StagedBus[] bus = {null};
    VirtioNet.Config config = new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), true, true);
    try (TestNic opened =
        TestNic.of(config, memory -> bus[0] = new StagedBus(memory.busView(), random.split(), 4))) {
      nic = opened;
      nic.start(
          TestNic.BASIC
              | FeatureBits.VIRTIO_F_ACCESS_PLATFORM
              | FeatureBits.VIRTIO_NET_F_CTRL_VQ
              | FeatureBits.VIRTIO_NET_F_CTRL_RX
              | features);
      boolean merges = (features & FeatureBits.VIRTIO_NET_F_MRG_RXBUF) != 0;
      boolean indirect = (features & FeatureBits.VIRTIO_F_INDIRECT_DESC) != 0;
      // No spinning: each round finds the device asleep, or about to be.
      try (DeviceLoop loop = DeviceLoop.start(nic.device, "staged", 0)) {
        for (int i = 0; i < ROUNDS; i++) {
          send(TestNic.frame(random.nextInt(60, 1515), i), indirect);
          receive(TestNic.frame(random.nextInt(60, 1515), i), merges);
          command(i % 2);
        }
        assertTrue(loop.running());
      }
      assertEquals(0xf, nic.status());
      assertEquals(0, nic.device.counters().drops());
      assertEquals(0, nic.function.deviceMemory().faults(), "put off, and not refused");
      assertTrue(bus[0].putOff() > ROUNDS);
    }
  }

  /** As a driver does that sleeps until it is interrupted. */
  private void awaitUsed(DriverRing ring, String what) {
    while (!ring.poll()) {
      if (!ring.enableInterrupts()) {
        await(nic.pin::asserted, what);
        assertEquals(1, nic.isr());
      }
    }
  }

  private void send(byte[] frame, boolean indirect) {
    nic.putFrame(TestNic.TX_BUFFERS, frame);
    DriverRing ring = nic.transmitRing();
    int split = TestNic.HEADER_BYTES + 20;
    DriverRing chain = indirect ? ring.beginIndirect(TestNic.COMMANDS - 4096) : ring.begin();
    chain.readable(TestNic.TX_BUFFERS, split);
    chain.readable(TestNic.TX_BUFFERS + split, TestNic.HEADER_BYTES + frame.length - split);
    chain.offer();
    int before = nic.wire.sentCount();
    nic.publishTransmit();
    awaitUsed(ring, "sent");
    assertEquals(before + 1, nic.wire.sentCount());
    assertArrayEquals(frame, nic.wire.sent().getLast());
  }

  private void receive(byte[] frame, boolean merges) {
    DriverRing ring = nic.receiveRing();
    int bytes = merges ? SMALL_BUFFER : TestNic.RX_BUFFER_BYTES;
    int buffers = Math.ceilDiv(TestNic.HEADER_BYTES + frame.length, bytes);
    for (int i = 0; i < buffers; i++) {
      ring.begin().writable(TestNic.rxBuffer(offered++ % 64), bytes).offer();
    }
    if (ring.publish()) {
      nic.kick(VirtioNet.RECEIVE_QUEUE);
    }
    nic.wire.deliver(frame);
    ByteArrayOutputStream got = new ByteArrayOutputStream();
    while (got.size() < TestNic.HEADER_BYTES + frame.length) {
      awaitUsed(ring, "received");
      long buffer = nic.ram.get(ValueLayout.JAVA_LONG, ring.descriptorArea() + 16L * ring.usedId());
      got.writeBytes(nic.bytes(buffer, ring.usedLength()));
    }
    byte[] want = new byte[TestNic.HEADER_BYTES + frame.length];
    System.arraycopy(frame, 0, want, TestNic.HEADER_BYTES, frame.length);
    want[10] = (byte) buffers;
    assertArrayEquals(want, got.toByteArray());
  }

  /** VIRTIO_NET_CTRL_RX_ALLMULTI, to a device that is promiscuous. */
  private void command(int on) {
    DriverRing ring = nic.rings[VirtioNet.CONTROL_QUEUE];
    MemorySegment command = nic.ram.asSlice(TestNic.COMMANDS, 4);
    command.copyFrom(MemorySegment.ofArray(new byte[] {0, 1, (byte) on, 77}));
    ring.begin().readable(TestNic.COMMANDS, 3).writable(TestNic.COMMANDS + 3, 1).offer();
    if (ring.publish()) {
      nic.kick(VirtioNet.CONTROL_QUEUE);
    }
    awaitUsed(ring, "command");
    assertEquals(0, command.get(ValueLayout.JAVA_BYTE, 3));
  }
}
