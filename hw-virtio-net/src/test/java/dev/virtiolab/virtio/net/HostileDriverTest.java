package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.TestNic;
import dev.virtiolab.virtio.queue.QueueError;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Drivers that break the rules. The device never throws, says what the specification says it
 * should, and works again after a reset.
 */
class HostileDriverTest {
  private static final long FEATURES =
      FeatureBits.VIRTIO_F_VERSION_1
          | FeatureBits.VIRTIO_F_INDIRECT_DESC
          | FeatureBits.VIRTIO_F_RING_RESET;

  private static final long BUFFER = TestNic.TX_BUFFERS;

  /** Where BAR 4 would be, were there a CPU: no RAM. */
  private static final long BAR4 = 0xd000_0000L;

  private final TestNic nic = TestNic.conventional();

  @AfterEach
  void close() {
    nic.close();
  }

  // ---- status and features

  @Test
  void driverOkWithoutFeaturesOkDoesNotRunTheDevice() {
    nic.status(0);
    nic.status(3);
    nic.setUp(1, 256, false);
    nic.status(7);
    assertEquals(7, nic.status());
    nic.send(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertEquals(0, nic.transmitRing().usedIdx());
    assertTrue(nic.works(FEATURES));
  }

  @Test
  void featuresRewrittenAfterFeaturesOkChangeNothing() {
    nic.start(TestNic.BASIC);
    nic.accept(nic.offered());
    assertEquals(Features.of(TestNic.BASIC), nic.function.negotiatedFeatures());
    nic.status(0xf);
    assertEquals(Features.of(TestNic.BASIC), nic.function.negotiatedFeatures());
    // Not even by clearing FEATURES_OK and setting it again: only reset renegotiates.
    nic.status(7);
    nic.status(0xf);
    assertEquals(7, nic.status());
    nic.accept(TestNic.BASIC);
    nic.status(0xf);
    assertEquals(0xf, nic.status());
  }

  @Test
  void clearedDriverOkStopsTheDevice() {
    nic.start(FEATURES);
    nic.status(1);
    assertEquals(1, nic.status());
    nic.send(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertTrue(nic.works(FEATURES));
  }

  @Test
  void failedStopsTheDevice() {
    nic.start(FEATURES);
    nic.status(0x8f);
    nic.send(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertTrue(nic.works(FEATURES));
  }

  @Test
  void brokenDeviceStaysBrokenUntilReset() {
    nic.start(FEATURES);
    nic.transmitRing().rawAvailIdx(300);
    nic.device.poll(8);
    assertEquals(0x4f, nic.status());
    assertTrue(nic.pin.asserted(), "a configuration interrupt must say so");
    assertEquals(3, nic.isr());
    nic.status(0xf);
    assertEquals(0x4f, nic.status());
    nic.offerReceive(0, 1);
    nic.wire.deliver(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8), "no queue is touched any more");
    assertEquals(0, nic.receiveRing().usedIdx());
    assertEquals(1, nic.device.counters().breakdowns(), "and it breaks once");
    assertTrue(nic.works(FEATURES));
  }

  // ---- queue registers

  @Test
  void sizesThatAreNoPowerOfTwoAreNotStored() {
    nic.negotiate(FEATURES);
    nic.select(0);
    for (int size = 0; size <= 0xffff; size++) {
      long before = nic.read(0x18, 2);
      nic.write(0x18, 2, size);
      boolean fine = size != 0 && size <= 256 && Integer.bitCount(size) == 1;
      assertEquals(fine ? size : before, nic.read(0x18, 2), "size=" + size);
    }
    nic.write(0x18, 4, 0x1_0080);
    assertEquals(256, nic.read(0x18, 2), "a wide write is not cut down to something plausible");
  }

  @Test
  void queueOfEachSizeWorks() {
    for (int size = 1; size <= 256; size *= 2) {
      nic.negotiate(FEATURES);
      nic.setUp(0, size, false);
      nic.setUp(1, size, false);
      nic.driverOk();
      for (int i = 0; i < 3 * size; i++) {
        nic.send(TestNic.frame(60, i));
        assertEquals(1, nic.device.poll(8), "size=" + size);
        assertTrue(nic.transmitRing().poll());
      }
    }
  }

  @Test
  void runningQueueIsNotMovedByItsRegisters() {
    nic.start(FEATURES);
    nic.select(1);
    nic.write(0x18, 2, 16);
    nic.write(0x20, 8, 0x30_0000);
    nic.write(0x28, 8, 0x31_0000);
    nic.write(0x30, 8, 0x32_0000);
    nic.write(0x1c, 2, 1);
    assertEquals(256, nic.read(0x18, 2));
    assertEquals(nic.transmitRing().descriptorArea(), nic.read(0x20, 8));
    nic.send(TestNic.frame(60, 1));
    assertEquals(1, nic.device.poll(8));
  }

  @Test
  void queueEnableTakesOnlyOne() {
    for (int value : new int[] {0, 2, 0xffff}) {
      nic.start(FEATURES);
      nic.select(1);
      nic.write(0x1c, 2, value);
      assertEquals(0x4f, nic.status(), "queue_enable=" + value);
      assertEquals(3, nic.isr());
    }
    assertTrue(nic.works(FEATURES));
  }

  @Test
  void ringsThatCannotBeReachedBreakTheDevice() {
    long[][] areas = {
      {0x1_0008, 0x1_1000, 0x1_2000}, // descriptor table misaligned
      {0x1_0000, 0x1_1001, 0x1_2000}, // available ring misaligned
      {0x1_0000, 0x1_1000, 0x1_2002}, // used ring misaligned
      {0xffff_ffff_ffff_fff0L, 0x1_1000, 0x1_2000}, // wraps
      {BAR4, 0x1_1000, 0x1_2000},
      {0x1_0000, BAR4, 0x1_2000},
      {0x1_0000, 0x1_1000, BAR4},
      {0x1_0000, 0x1_1000, TestNic.RAM_BYTES - 4}, // ends outside
    };
    for (long[] area : areas) {
      nic.negotiate(FEATURES);
      nic.select(1);
      nic.write(0x20, 8, area[0]);
      nic.write(0x28, 8, area[1]);
      nic.write(0x30, 8, area[2]);
      nic.write(0x1c, 2, 1);
      nic.ram.asSlice(0x1_0000, 0x3000).fill((byte) 0);
      nic.ram.set(ValueLayout.JAVA_LONG, 0x1_0000, BUFFER);
      nic.ram.set(ValueLayout.JAVA_INT, 0x1_0008, 72);
      nic.ram.set(ValueLayout.JAVA_SHORT, 0x1_1002, (short) 1);
      nic.driverOk();
      nic.kick(1);
      nic.device.poll(8);
      nic.device.poll(8);
      assertEquals(
          0x4f, nic.status(), () -> String.format("areas %x %x %x", area[0], area[1], area[2]));
    }
    assertTrue(nic.works(FEATURES));
  }

  // ---- kicks and odd accesses

  @Test
  void kicksOfQueuesThatDoNotExistAreNothing() {
    nic.start(FEATURES);
    for (int offset = 8; offset < 0x1000; offset += 2) {
      nic.write(TestNic.NOTIFY + offset, 2, 0);
    }
    assertEquals(0, nic.device.counters().kicks(0));
    assertEquals(0, nic.device.counters().kicks(1));
    assertEquals(0xf, nic.status());
    assertTrue(nic.works(FEATURES));
  }

  @Test
  void kicksOfAnyWidthBeforeDriverOkAndAfterResetAreHarmless() {
    for (int status : new int[] {0, 1, 3}) {
      nic.status(status);
      for (int width : new int[] {1, 2, 4, 8}) {
        nic.write(TestNic.NOTIFY, width, -1);
        nic.write(TestNic.NOTIFY + 3, width, -1);
      }
      assertEquals(0, nic.device.poll(8));
    }
    assertTrue(nic.works(FEATURES));
  }

  @Test
  void readOnlyRegistersStayAsTheyAre() {
    nic.negotiate(FEATURES);
    nic.select(0);
    nic.write(0, 4, 0);
    for (int offset : new int[] {0x04, 0x12, 0x15, 0x1e, 0x38}) {
      int width = offset % 2 == 0 ? 2 : 1;
      long before = nic.read(offset, width);
      nic.write(offset, width, 0x5a5a);
      assertEquals(before, nic.read(offset, width), "offset " + offset);
    }
    assertEquals(0xb, nic.status());
  }

  @Test
  void deviceConfigurationIsReadOnlyButForTheAddressBeforeFeaturesOk() {
    nic.negotiate(FEATURES);
    for (int offset = 0; offset < 0x1000; offset++) {
      nic.write(TestNic.DEVICE + offset, 1, 0xa5);
    }
    for (int i = 0; i < 6; i++) {
      assertEquals(TestNic.MAC[i] & 0xff, nic.read(TestNic.DEVICE + i, 1));
    }
    assertEquals(1, nic.read(TestNic.DEVICE + 6, 2));
  }

  // ---- rings

  @Test
  void eachBrokenRingBreaksTheDeviceAndIsCounted() {
    breaks(QueueError.HEAD_OUT_OF_RANGE, ring -> ring.rawAvailEntry(0, 0xffff));
    breaks(QueueError.AVAIL_JUMP, ring -> ring.rawAvailIdx(257));
    breaks(QueueError.AVAIL_JUMP, ring -> ring.rawAvailIdx(0xffff));
    breaks(
        QueueError.NEXT_OUT_OF_RANGE,
        ring -> ring.rawDescriptor(0, BUFFER, 72, DriverRing.NEXT, 256));
    breaks(
        QueueError.CHAIN_TOO_LONG, ring -> ring.rawDescriptor(0, BUFFER, 72, DriverRing.NEXT, 0));
    breaks(QueueError.ZERO_LENGTH, ring -> ring.rawDescriptor(0, BUFFER, 0, 0, 0));
    breaks(QueueError.TOTAL_LENGTH, ring -> ring.rawDescriptor(0, BUFFER, -1, 0, 0));
    breaks(
        QueueError.ADDRESS_WRAP, ring -> ring.rawDescriptor(0, 0xffff_ffff_ffff_ffc0L, 72, 0, 0));
    breaks(
        QueueError.READABLE_AFTER_WRITABLE,
        ring -> {
          ring.rawDescriptor(0, BUFFER, 72, DriverRing.WRITE | DriverRing.NEXT, 1);
          ring.rawDescriptor(1, BUFFER, 72, 0, 0);
        });
    breaks(
        QueueError.INDIRECT_NESTED,
        ring -> {
          ring.rawDescriptor(0, BUFFER + 0x8000, 32, DriverRing.INDIRECT, 0);
          ring.rawEntry(BUFFER + 0x8000, 0, BUFFER + 0x9000, 16, DriverRing.INDIRECT, 0);
        });
    breaks(
        QueueError.INDIRECT_WITH_NEXT,
        ring ->
            ring.rawDescriptor(0, BUFFER + 0x8000, 16, DriverRing.INDIRECT | DriverRing.NEXT, 1));
    breaks(
        QueueError.INDIRECT_BAD_LENGTH,
        ring -> ring.rawDescriptor(0, BUFFER + 0x8000, 24, DriverRing.INDIRECT, 0));
    breaks(
        QueueError.RING_UNREACHABLE,
        ring -> ring.rawDescriptor(0, BAR4, 32, DriverRing.INDIRECT, 0));
    // An indirect table larger than the queue is long: more buffers than descriptors.
    breaks(
        QueueError.CHAIN_TOO_LONG,
        ring -> {
          ring.rawDescriptor(0, BUFFER + 0x8000, 16 * 300, DriverRing.INDIRECT, 0);
          for (int i = 0; i < 300; i++) {
            ring.rawEntry(BUFFER + 0x8000, i, BUFFER, 1, DriverRing.NEXT, i + 1);
          }
        });
  }

  private void breaks(QueueError error, Consumer<DriverRing> driver) {
    nic.start(FEATURES);
    long before = nic.device.queueCounters(VirtioNet.TRANSMIT_QUEUE).errors(error);
    nic.transmitRing().rawDescriptor(0, BUFFER, 72, 0, 0);
    nic.transmitRing().rawAvailEntry(0, 0);
    nic.transmitRing().rawAvailIdx(1);
    driver.accept(nic.transmitRing());
    nic.kick(1);
    assertEquals(0, nic.device.poll(512), error.name());
    assertEquals(0x4f, nic.status(), error.name());
    assertEquals(3, nic.isr(), error.name());
    assertEquals(
        before + 1, nic.device.queueCounters(VirtioNet.TRANSMIT_QUEUE).errors(error), error.name());
    assertTrue(nic.works(FEATURES), () -> "after reset from " + error);
  }

  @Test
  void chainsOfTheWrongDirectionBreakTheDevice() {
    nic.start(FEATURES);
    nic.transmitRing().begin().writable(BUFFER, 72).offer();
    nic.publishTransmit();
    nic.device.poll(8);
    assertEquals(0x4f, nic.status());
    nic.start(FEATURES);
    nic.receiveRing().begin().readable(BUFFER, 2048).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(0x4f, nic.status());
    assertTrue(nic.works(FEATURES));
  }

  @Test
  void buffersInRegistersAreNotReached() {
    nic.start(FEATURES);
    nic.transmitRing().begin().readable(BAR4, 72).offer();
    nic.publishTransmit();
    nic.receiveRing().begin().writable(BAR4 + 0x3000, 2048).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(1, nic.device.counters().drops(Drop.TX_DMA_FAULT));
    assertEquals(1, nic.device.counters().drops(Drop.RX_DMA_FAULT));
    assertEquals(0, nic.device.counters().kicks(0) & ~1L);
    assertEquals(0xf, nic.status());
  }

  @Test
  void buffersInTheRingsCorruptTheDriverOnly() {
    nic.start(FEATURES);
    // The device writes frames over the ring that it reads.
    nic.receiveRing().begin().writable(nic.receiveRing().descriptorArea(), 0x1800).offer();
    nic.receiveRing().begin().writable(nic.receiveRing().descriptorArea(), 0x1800).offer();
    nic.receiveRing().publish();
    for (int i = 0; i < 4; i++) {
      nic.wire.deliver(TestNic.frame(4500, i));
    }
    nic.device.poll(64);
    nic.device.poll(64);
    assertTrue(nic.works(FEATURES));
  }

  // ---- everything at random

  @Test
  void randomRegistersAndRingsNeverThrowAndResetMendsAll() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("HostileDriverTest -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          for (int round = 0; round < 40; round++) {
            assertTrue(nic.works(FEATURES), "before round " + round + ", seed=" + seed);
            for (int step = 0; step < 1500; step++) {
              misbehave(random);
            }
            nic.function.configWrite(0x98 + 2, 2, 0);
            nic.enable();
            nic.device.setLink(true);
          }
          assertTrue(nic.works(FEATURES), "at the end, seed=" + seed);
        });
    assertFalse(nic.device.counters().breakdowns() == 0, "it should have broken something");
  }

  private void misbehave(SplittableRandom random) {
    int width = 1 << random.nextInt(4);
    switch (random.nextInt(16)) {
      case 0 -> nic.read(random.nextInt(0x4000 - 7), width);
      case 1 -> nic.write(random.nextInt(0x4000 - 7), width, random.nextLong());
      case 2, 3 -> nic.write(random.nextInt(0x40), width, random.nextInt(4));
      case 4 -> nic.read(random.nextInt(0x48), width);
      case 5 ->
          nic.function.configWrite(random.nextInt(256), 1 << random.nextInt(3), random.nextInt());
      case 6 -> nic.function.configRead(random.nextInt(256), 1 << random.nextInt(3));
      case 7 -> nic.function.barWrite(1, random.nextInt(0x1000 - 7), width, random.nextLong());
      case 8 -> {
        // The window, aimed at what there is.
        nic.function.configWrite(0x88, 1, 4);
        nic.function.configWrite(0x8c, 4, random.nextInt(0x4008));
        nic.function.configWrite(0x90, 4, random.nextInt(6));
        nic.function.configWrite(0x94, 4, random.nextInt(16));
      }
      case 9 ->
          nic.ram.set(
              ValueLayout.JAVA_BYTE, 0x1_0000 + random.nextInt(0x1_4000), (byte) random.nextInt());
      case 10 ->
          nic.rings[random.nextInt(2)].rawDescriptor(
              random.nextInt(4),
              random.nextInt(4) == 0 ? random.nextLong() : BUFFER + random.nextInt(0x4000),
              random.nextInt(8) == 0 ? random.nextInt() : random.nextInt(4096),
              random.nextInt(8),
              random.nextInt(8));
      case 11 -> {
        DriverRing ring = nic.rings[random.nextInt(2)];
        ring.rawAvailEntry(random.nextInt(256), random.nextInt(8));
        ring.rawAvailIdx(ring.usedIdx() + random.nextInt(3));
      }
      case 12 -> {
        if (nic.wire.waiting() < 8) {
          nic.wire.deliver(TestNic.frame(1 + random.nextInt(2000), 1));
        }
      }
      case 13 -> {
        nic.kick(random.nextInt(3));
        nic.device.poll(1 + random.nextInt(64));
      }
      case 14 -> {
        if (random.nextInt(8) == 0) {
          nic.enable();
          nic.start(random.nextBoolean() ? FEATURES : nic.offered());
        }
      }
      default -> nic.device.setLink(random.nextInt(8) != 0);
    }
  }
}
