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
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The ring between two threads: what its acquire, release and fence are for. */
class RingThreadsTest {
  private static final long RAM_BYTES = 16L << 20;
  private static final MemorySegment RAM = Arena.global().allocate(RAM_BYTES, 8);
  private static final int ROUNDS = 30_000;

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

  /** The device wants kicks again just as the driver publishes: one of them must notice. */
  @Test
  @Timeout(60)
  void noKickIsLostWhenTheDeviceGoesToSleepAsTheDriverPublishes() throws InterruptedException {
    AtomicInteger round = new AtomicInteger();
    AtomicInteger finished = new AtomicInteger();
    AtomicInteger seenIdx = new AtomicInteger();
    AtomicInteger lost = new AtomicInteger();
    together(
        () -> {
          for (int i = 1; i <= ROUNDS; i++) {
            memory.putShort(ring.usedRing(), (short) VringLayout.USED_F_NO_NOTIFY);
            ring.offer(0);
            round.set(i);
            ring.publish();
            boolean kick = ring.kickWanted();
            int now = i;
            await(() -> finished.get() == now);
            if (!kick && seenIdx.get() != (i & 0xffff)) {
              lost.incrementAndGet();
            }
            memory.putLong(ring.usedRing() + 4 + 8 * (i - 1 & 7), 0);
            memory.putShort(ring.usedRing() + 2, (short) i);
            ring.look();
            ring.take();
          }
        },
        () -> {
          for (int i = 1; i <= ROUNDS; i++) {
            int now = i;
            await(() -> round.get() == now);
            memory.putShort(ring.usedRing(), (short) 0);
            VarHandle.fullFence();
            seenIdx.set(memory.getShortAcquire(ring.availRing() + 2) & 0xffff);
            finished.set(i);
          }
        });
    assertEquals(0, lost.get(), "kicks lost in " + ROUNDS + " rounds");
  }

  /** What the driver wrote before it published is there when the device sees the index. */
  @Test
  @Timeout(60)
  void descriptorsAndElementsArriveWithTheirIndex() throws InterruptedException {
    together(
        () -> {
          int sent = 0;
          int taken = 0;
          while (taken < ROUNDS) {
            if (sent < ROUNDS && !ring.isOut(sent & 7)) {
              ring.descriptor(sent & 7, sent, ~sent, 0, 0);
              ring.offer(sent & 7);
              ring.publish();
              sent++;
            }
            if (ring.look() > 0) {
              assertEquals(taken & 7, ring.take());
              assertEquals(Integer.toUnsignedLong(taken), ring.takenLength());
              taken++;
            }
          }
        },
        () -> {
          for (int i = 0; i < ROUNDS; i++) {
            int next = i + 1 & 0xffff;
            await(
                () -> {
                  int published = memory.getShortAcquire(ring.availRing() + 2) & 0xffff;
                  return (published - next & 0xffff) < 8;
                });
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
