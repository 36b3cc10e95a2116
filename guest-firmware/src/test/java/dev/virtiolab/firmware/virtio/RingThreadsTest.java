package dev.virtiolab.firmware.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.fixture.device.FakeVirtioDevice;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The ring between two threads, driver and device. That the right access modes are used is {@link
 * VirtioLibTest}'s to show: a processor with strong ordering forgives most that are missing.
 */
class RingThreadsTest {
  private static final long RAM_BYTES = 16L << 20;
  private static final MemorySegment RAM = Arena.global().allocate(RAM_BYTES, 8);
  private static final int ROUNDS = 30_000;

  /** On a machine that is busy, a round costs a time slice: enough is enough. */
  private static final long LIMIT_NANOS = 2_000_000_000L;

  private final FlatCpuMemory memory = new FlatCpuMemory(RAM);
  private final VirtioRing ring = new VirtioRing();

  RingThreadsTest() {
    DxeCore core = new DxeCore(memory, new VirtualClock(), HandOffs.withRam(RAM_BYTES));
    FakeVirtioDevice device = new FakeVirtioDevice(core, memory);
    assertEquals(EfiStatus.SUCCESS, VirtioLib.virtioRingInit(device, memory, 8, ring));
  }

  private static void await(BooleanSupplier condition) {
    for (int spins = 0; !condition.getAsBoolean(); spins++) {
      if (spins < 1000) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
  }

  private static void together(Runnable driver, Runnable device) throws InterruptedException {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread other = new Thread(device, "device");
    other.setDaemon(true);
    other.setUncaughtExceptionHandler((thread, thrown) -> failure.set(thrown));
    other.start();
    driver.run();
    other.join();
    assertEquals(null, failure.get());
  }

  private static boolean goOn(int round, long since) {
    return round < ROUNDS && (round < 1000 || System.nanoTime() - since < LIMIT_NANOS);
  }

  /** What either side wrote before it published is there when the other sees the index. */
  @Test
  @Timeout(60)
  void descriptorsAndElementsArriveWithTheirIndex() throws InterruptedException {
    AtomicBoolean over = new AtomicBoolean();
    together(
        () -> {
          long since = System.nanoTime();
          int sent = 0;
          int taken = 0;
          while (goOn(sent, since) || taken < sent) {
            if (goOn(sent, since) && !ring.isOut(sent & 7)) {
              ring.descriptor(sent & 7, sent, ~sent, 0, 0);
              ring.offer(sent & 7);
              ring.publish();
              sent++;
            }
            if (ring.look() > 0) {
              assertEquals(taken & 7, ring.take());
              assertEquals(Integer.toUnsignedLong(taken), ring.takenLength());
              taken++;
            } else if (sent - taken == 8) {
              Thread.yield();
            }
          }
          over.set(true);
        },
        () -> {
          for (int i = 0; ; i++) {
            int next = i + 1 & 0xffff;
            await(
                () -> {
                  int published = memory.getShortAcquire(ring.availRing() + 2) & 0xffff;
                  return (published - next & 0xffff) < 8 || over.get();
                });
            if (over.get()) {
              return;
            }
            int head = memory.getShort(ring.availRing() + 4 + 2 * (i & 7));
            assertEquals(i, memory.getLong(ring.descriptorTable() + 16L * head));
            assertEquals(~i, memory.getInt(ring.descriptorTable() + 16L * head + 8));
            memory.putInt(ring.usedRing() + 4 + 8 * (i & 7), head);
            memory.putInt(ring.usedRing() + 8 + 8 * (i & 7), i);
            memory.putShortRelease(ring.usedRing() + 2, (short) (i + 1));
          }
        });
  }
}
