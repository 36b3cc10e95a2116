package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.TestNic;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * A driver that changes tables, indices and registers while the device's loop reads them: the loop
 * survives, ends when it is told to, and the device works again after a reset.
 */
class HostileLoopTest {
  private static final long FEATURES =
      FeatureBits.VIRTIO_F_VERSION_1
          | FeatureBits.VIRTIO_F_INDIRECT_DESC
          | FeatureBits.VIRTIO_F_EVENT_IDX
          | FeatureBits.VIRTIO_F_RING_RESET;

  private static final int ROUNDS = 150;
  private static final int STEPS = 400;

  @Test
  void whatChangesWhileTheLoopReadsItDoesNoHarm() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("HostileLoopTest -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          try (TestNic nic = TestNic.express()) {
            for (int round = 0; round < ROUNDS; round++) {
              // Closing the loop tells of an exception that it died of.
              try (DeviceLoop loop = DeviceLoop.start(nic.device, "nic", 0)) {
                nic.enable();
                nic.start(FEATURES);
                for (int step = 0; step < STEPS; step++) {
                  meddle(nic, random);
                }
                assertTrue(loop.running(), "seed=" + seed);
              }
              nic.enable();
              nic.device.setLink(true);
              assertTrue(nic.works(FEATURES), "after round " + round + ", seed=" + seed);
            }
            assertTrue(nic.device.counters().breakdowns() > 0, "it should have broken something");
          }
        });
  }

  private static void meddle(TestNic nic, SplittableRandom random) {
    int queue = random.nextInt(2);
    switch (random.nextInt(11)) {
      case 0, 1, 2 ->
          nic.rings[queue].rawDescriptor(
              random.nextInt(8),
              random.nextInt(8) == 0 ? random.nextLong() : TestNic.TX_BUFFERS + random.nextInt(64),
              1 + random.nextInt(2048),
              random.nextInt(8),
              random.nextInt(8));
      case 3, 4 -> {
        nic.rings[queue].rawAvailEntry(random.nextInt(256), random.nextInt(8));
        nic.rings[queue].rawAvailIdx(nic.rings[queue].usedIdx() + random.nextInt(4));
        nic.kick(queue);
      }
      case 5 ->
          // An indirect table, where descriptors may well point to.
          nic.ram.set(
              ValueLayout.JAVA_LONG_UNALIGNED,
              TestNic.TX_BUFFERS + random.nextInt(256),
              random.nextLong());
      case 6 -> nic.function.configWrite(4, 2, random.nextInt(8));
      case 7 -> {
        if (random.nextInt(16) == 0) {
          // Function-level reset: Initiate FLR in Device Control.
          nic.function.configWrite(0x48, 2, 0x8000);
          nic.enable();
          nic.start(FEATURES);
        }
      }
      case 8 -> {
        nic.select(queue);
        nic.write(0x3a, 2, 1);
        nic.enable();
        if (nic.status() != 0xf) {
          nic.start(FEATURES);
        }
      }
      case 9 -> {
        if (nic.wire.waiting() < 8) {
          nic.wire.deliver(TestNic.frame(14 + random.nextInt(2000), 1));
        }
      }
      default -> nic.device.setLink(random.nextInt(8) != 0);
    }
  }
}
