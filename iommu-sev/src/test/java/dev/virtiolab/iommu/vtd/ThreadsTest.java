package dev.virtiolab.iommu.vtd;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/**
 * A guest that moves a page from place to place, or switches translation on and off, and devices
 * that look meanwhile. Once an invalidation or a switch is complete, nobody who looks afresh meets
 * what was there before, however the threads met.
 */
class ThreadsTest {
  private static final int ROUNDS = 200_000;
  private static final int PLACES = 16;
  private static final int SWITCHES = 1_000_000;
  private static final int SPINS = 50;
  private static final long FIRST_PLACE = 0x80;
  private static final long HERE = 0x5000;

  @Test
  void afterAnInvalidationNoThreadMeetsTheOldPage() throws InterruptedException {
    try (VtdBench bench = new VtdBench()) {
      bench.translate();
      long top = bench.context(VtdBench.NIC, 1, 3);
      long leaf = bench.leaf(top, 3, HERE);
      bench.cpu.putLong(leaf, FIRST_PLACE << 12 | 3);
      AtomicLong complete = new AtomicLong();
      AtomicReference<String> wrong = new AtomicReference<>();
      List<Thread> devices = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        devices.add(
            Thread.ofPlatform().start(() -> look(bench.bus(VtdBench.NIC), complete, wrong)));
      }
      for (long round = 1; round <= ROUNDS && wrong.get() == null; round++) {
        bench.cpu.putLong(leaf, FIRST_PLACE + round % PLACES << 12 | 3);
        bench.forgetPages(1, HERE, 0);
        complete.set(round);
      }
      complete.set(Long.MAX_VALUE);
      for (Thread device : devices) {
        device.join();
      }
      assertTrue(wrong.get() == null, wrong::get);
    }
  }

  /** After an odd number of switches translation is on, and the address leads to another page. */
  @Test
  void onceTranslationIsSwitchedNoThreadKeepsAWindowFromBefore() throws InterruptedException {
    try (VtdBench bench = new VtdBench()) {
      bench.translate();
      bench.map(bench.context(VtdBench.NIC, 1, 3), 3, HERE, FIRST_PLACE << 12, 3);
      bench.switchOff();
      AtomicLong begun = new AtomicLong();
      AtomicLong complete = new AtomicLong();
      AtomicReference<String> wrong = new AtomicReference<>();
      BusMemory bus = bench.bus(VtdBench.NIC);
      Thread device = Thread.ofPlatform().start(() -> lookAtSwitches(bus, begun, complete, wrong));
      for (long i = 1; i <= SWITCHES && wrong.get() == null; i++) {
        begun.set(i);
        bench.write32(0x18, i % 2 << 31);
        complete.set(i);
        for (int spin = 0; spin < i % SPINS; spin++) {
          Thread.onSpinWait();
        }
      }
      complete.set(Long.MAX_VALUE);
      device.join();
      assertTrue(wrong.get() == null, wrong::get);
    }
  }

  private static void lookAtSwitches(
      BusMemory bus, AtomicLong begun, AtomicLong complete, AtomicReference<String> wrong) {
    DmaWindow window = new DmaWindow();
    while (wrong.get() == null) {
      long before = complete.get();
      if (before == Long.MAX_VALUE) {
        return;
      }
      long generation = bus.generation().acquire();
      if (!window.covers(HERE, 8, generation) && !bus.resolve(HERE, DmaAccess.READ, window)) {
        wrong.set("refused");
        return;
      }
      long number = window.segment().get(ValueLayout.JAVA_LONG, window.offset(HERE));
      long expected = before % 2 == 1 ? FIRST_PLACE : HERE >>> 12;
      if (number != expected && begun.get() == before) {
        wrong.set("switches=%d page=%d".formatted(before, number));
      }
    }
  }

  /** Keeps a window as a device does, and resolves when it does not hold any more. */
  private static void look(BusMemory bus, AtomicLong complete, AtomicReference<String> wrong) {
    DmaWindow window = new DmaWindow();
    while (wrong.get() == null) {
      long before = complete.get();
      if (before == Long.MAX_VALUE) {
        return;
      }
      long generation = bus.generation().acquire();
      if (!window.covers(HERE, 8, generation) && !bus.resolve(HERE, DmaAccess.READ, window)) {
        wrong.set("refused");
        return;
      }
      long number = window.segment().get(ValueLayout.JAVA_LONG, window.offset(HERE));
      long after = complete.get();
      // The next round may be under way. When all places have had their turn, any is right.
      long rounds = Math.min(after - before + 2, PLACES);
      long distance = Math.floorMod(number - FIRST_PLACE - before, (long) PLACES);
      if (after != Long.MAX_VALUE && distance >= rounds) {
        wrong.set("round=%d to %d place=%d".formatted(before, after, number - FIRST_PLACE));
      }
    }
  }
}
