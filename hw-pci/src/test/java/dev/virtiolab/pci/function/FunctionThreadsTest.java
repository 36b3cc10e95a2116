package dev.virtiolab.pci.function;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.fixture.SampleFunction;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

/**
 * A CPU's thread writes registers while the device's loop runs: what a write forbids has stopped
 * when the write returns. Odd epochs are those in which it is forbidden.
 */
class FunctionThreadsTest {
  private static final int TURNS = 3_000;

  private final AtomicLong epoch = new AtomicLong();
  private final AtomicBoolean done = new AtomicBoolean();
  private final AtomicInteger violations = new AtomicInteger();

  private void race(Runnable device, Runnable allow, Runnable forbid) throws InterruptedException {
    Thread loop =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!done.get()) {
                    device.run();
                  }
                });
    try {
      for (int turn = 0; turn < TURNS; turn++) {
        allow.run();
        forbid.run();
        epoch.incrementAndGet();
        Thread.onSpinWait();
        epoch.incrementAndGet();
      }
    } finally {
      done.set(true);
      loop.join();
    }
    assertEquals(0, violations.get());
  }

  private static void await(BooleanSupplier condition) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, "the device's loop got nowhere in 20 s");
      Thread.onSpinWait();
    }
  }

  @Test
  void noWindowHoldsOnceBusMasteringIsOff() throws InterruptedException {
    try (PhysicalMemory memory = PhysicalMemory.allocate(4096)) {
      SampleFunction function = SampleFunction.conventional();
      BusMaster master = function.master(memory.busView());
      DmaWindow window = new DmaWindow();
      AtomicLong resolved = new AtomicLong();
      race(
          () -> {
            if (master.resolve(0, DmaAccess.WRITE, window)) {
              resolved.incrementAndGet();
            }
            long before = epoch.get();
            boolean covers = window.covers(0, 1, master.generation().acquire());
            if (covers && (before & 1) != 0 && epoch.get() == before) {
              violations.incrementAndGet();
            }
          },
          () -> {
            long seen = resolved.get() + master.faults();
            function.configWrite(4, 2, 4);
            await(() -> resolved.get() + master.faults() != seen);
          },
          () -> function.configWrite(4, 2, 0));
      assertTrue(resolved.get() > 0, "the device never got a window");
    }
  }

  @Test
  void noMessageLeavesOnceTheVectorIsMaskedAndNoneIsLost() throws InterruptedException {
    AtomicLong arrived = new AtomicLong();
    SampleFunction function =
        SampleFunction.conventional(
            (address, data) -> {
              if ((epoch.get() & 1) != 0) {
                violations.incrementAndGet();
              }
              arrived.incrementAndGet();
            },
            InterruptPin.UNCONNECTED);
    function.configWrite(4, 2, 4);
    function.configWrite(SampleFunction.CONVENTIONAL_MSIX + 2, 2, 0x8000);
    race(
        () -> function.msix().signal(0),
        () -> {
          long seen = arrived.get();
          function.barWrite(1, 12, 4, 0);
          await(() -> arrived.get() != seen);
        },
        () -> function.barWrite(1, 12, 4, 1));
    function.barWrite(1, 12, 4, 0);
    assertEquals(function.msix().delivered(), arrived.get());
    assertEquals(0, function.barRead(1, 0x800, 8));
  }

  /** The device takes the lock for batch after batch: who waits for it is served after one. */
  @Test
  void aRegisterAccessWaitsForOneBatchAtMost() throws InterruptedException {
    SampleFunction function = SampleFunction.conventional();
    AtomicInteger served = new AtomicInteger();
    Thread cpu =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!done.get()) {
                    function.lock().lock();
                    served.incrementAndGet();
                    function.lock().unlock();
                  }
                });
    int overtaken = 0;
    int servedBefore = -1;
    try {
      for (int batch = 0; batch < TURNS; batch++) {
        function.lock().lock();
        overtaken += served.get() == servedBefore ? 1 : 0;
        await(function.lock()::hasQueuedThreads);
        servedBefore = served.get();
        function.lock().unlock();
      }
    } finally {
      done.set(true);
      cpu.join();
    }
    assertEquals(0, overtaken);
  }
}
