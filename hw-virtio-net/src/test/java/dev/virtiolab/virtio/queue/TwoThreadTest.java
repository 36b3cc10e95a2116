package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.BusMemory;
import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** A driver's thread and a device's thread over one memory. */
class TwoThreadTest {
  private static final long DEADLINE_NANOS = 30_000_000_000L;
  private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED;

  /** {@link SpinningDevice} says what it does, and why it has a JVM of its own. */
  @Test
  void theAcquireOfAvailIdxLetsADeviceThatSpinsSeeItMove() throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classPath =
        Stream.of(SplitQueue.class, SpinningDevice.class, BusMemory.class)
            .map(TwoThreadTest::root)
            .collect(Collectors.joining(File.pathSeparator));
    Process process =
        new ProcessBuilder(
                java,
                "-Xbatch",
                "-XX:+UseSerialGC",
                "-cp",
                classPath,
                SpinningDevice.class.getName())
            .redirectErrorStream(true)
            .start();
    try {
      assertTrue(process.waitFor(DEADLINE_NANOS, TimeUnit.NANOSECONDS), "it never ends");
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, process.exitValue(), said);
    } finally {
      process.destroyForcibly();
    }
  }

  /** The folder or archive that a class comes from, also where it was patched into a module. */
  private static String root(Class<?> type) {
    String name = "/" + type.getName().replace('.', '/') + ".class";
    String at = type.getResource(name).toString();
    String root = at.substring(0, at.length() - name.length());
    return Path.of(URI.create(root.replaceFirst("^jar:(.*)!$", "$1"))).toString();
  }

  /**
   * An echo: the driver sends a sequence number in the readable part and expects it back in the
   * writable part, with a length made from it. Whatever is seen too early is stale and found out:
   * descriptors and payload by the device, used elements and payload by the driver.
   */
  @Test
  void nothingIsSeenBeforeItIsPublished() throws InterruptedException {
    int size = 4;
    Bench bench = new Bench(size, true, 0xFF00);
    int count = 400_000;
    AtomicReference<String> failure = new AtomicReference<>();
    Thread device = new Thread(() -> echo(bench, count, failure), "device");
    device.start();
    try {
      drive(bench, count, size / 2, failure);
    } finally {
      end(device, failure);
    }
    assertEquals(null, failure.get());
    assertEquals(QueueError.NONE, bench.queue.error());
    assertEquals(count, bench.queue.counters().completions());
    assertTrue(bench.queue.counters().publications() <= count);
  }

  private static void echo(Bench bench, int count, AtomicReference<String> failure) {
    MemorySegment local = Arena.ofAuto().allocate(16, 8);
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    long expected = 0;
    while (expected < count && failure.get() == null) {
      Outcome outcome = bench.queue.next(bench.chain);
      if (outcome == Outcome.CHAIN) {
        bench.queue.gather(bench.chain, 0, local, 0, 8);
        long sequence = local.get(WORD, 0);
        if (sequence != expected) {
          failure.set("device: sequence=" + sequence + " expected=" + expected);
        }
        expected++;
        bench.queue.scatter(bench.chain, 0, local, 0, 8);
        bench.queue.complete(bench.chain, written(sequence));
        bench.queue.publish();
      } else if (outcome == Outcome.BROKEN) {
        failure.set("device: " + bench.queue.error());
      } else if (System.nanoTime() > deadline) {
        failure.set("device: deadline, expected=" + expected);
      } else {
        Thread.onSpinWait();
      }
    }
  }

  private static void drive(Bench bench, int count, int window, AtomicReference<String> failure) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    long sent = 0;
    long received = 0;
    int[] heads = new int[window];
    while (received < count && failure.get() == null) {
      while (sent < count && sent - received < window) {
        long buffer = buffer(sent, window);
        bench.at(buffer, 8).set(WORD, 0, sent);
        bench.at(buffer + 0x800, 8).set(WORD, 0, -1);
        heads[(int) (sent % window)] =
            bench.driver.begin().readable(buffer, 8).writable(buffer + 0x800, 1024).offer();
        bench.driver.publish();
        sent++;
      }
      if (bench.driver.poll()) {
        long echoed = bench.at(buffer(received, window) + 0x800, 8).get(WORD, 0);
        if (bench.driver.usedId() != heads[(int) (received % window)]
            || bench.driver.usedLength() != written(received)
            || echoed != received) {
          failure.set(
              "driver: received="
                  + received
                  + " id="
                  + bench.driver.usedId()
                  + " length="
                  + bench.driver.usedLength()
                  + " echoed="
                  + echoed);
        }
        received++;
      } else if (System.nanoTime() > deadline) {
        failure.compareAndSet(null, "driver: deadline, received=" + received);
      } else {
        Thread.onSpinWait();
      }
    }
  }

  private static long buffer(long sequence, int window) {
    return Bench.BUFFERS + (sequence % window) * 0x1000;
  }

  private static int written(long sequence) {
    return 8 + (int) (sequence % 1001);
  }

  /**
   * Each round both sides store and then look for the other's store, at the same moment: the device
   * asks for a kick while the driver publishes, then the device publishes while the driver asks for
   * an interrupt. One of the two must see the other, which an x86 processor grants only where a
   * full fence lies between store and load.
   */
  @Test
  void ofTwoWhoCrossOneSeesTheOther() throws InterruptedException {
    for (boolean eventIdx : new boolean[] {false, true}) {
      Bench bench = new Bench(128, eventIdx, 0xFFF0);
      int rounds = 100_000;
      boolean[] work = new boolean[rounds];
      boolean[] interrupt = new boolean[rounds];
      Meeting meeting = new Meeting();
      Thread device =
          Thread.ofPlatform()
              .name("device")
              .daemon()
              .start(
                  () -> {
                    for (int i = 0; i < rounds; i++) {
                      bench.queue.disableKicks();
                      meeting.arrive();
                      meeting.stagger(i % 29);
                      work[i] = bench.queue.enableKicks();
                      meeting.arrive();
                      bench.queue.next(bench.chain);
                      bench.queue.complete(bench.chain, 8);
                      meeting.arrive();
                      meeting.stagger(i % 29);
                      interrupt[i] = bench.queue.publish();
                      meeting.arrive();
                    }
                  });
      int kicksLost = 0;
      int interruptsLost = 0;
      for (int i = 0; i < rounds; i++) {
        bench.driver.begin().writable(Bench.BUFFERS, 8).offer();
        bench.driver.disableInterrupts();
        meeting.arrive();
        meeting.stagger(i % 31);
        boolean kick = bench.driver.publish();
        meeting.arrive();
        kicksLost += kick || work[i] ? 0 : 1;
        meeting.arrive();
        meeting.stagger(i % 31);
        boolean used = bench.driver.enableInterrupts();
        meeting.arrive();
        interruptsLost += used || interrupt[i] ? 0 : 1;
        assertTrue(bench.driver.poll());
      }
      device.join();
      assertEquals(0, kicksLost, "kicks, eventIdx=" + eventIdx);
      assertEquals(0, interruptsLost, "interrupts, eventIdx=" + eventIdx);
    }
  }

  /** Where two threads meet, to go on at the same moment. */
  private static final class Meeting {
    private final AtomicInteger arrivals = new AtomicInteger();
    private final long begun = System.nanoTime();

    void arrive() {
      int mine = arrivals.incrementAndGet();
      int both = mine + (mine & 1);
      for (int i = 0; arrivals.get() - both < 0; i++) {
        if (i > 5_000) {
          Thread.yield(); // The other may need this processor.
          assertTrue(System.nanoTime() - begun < DEADLINE_NANOS, "the other never came");
        }
      }
    }

    /** Lets some nanoseconds pass, so that now the one and now the other comes first. */
    void stagger(int loads) {
      for (int i = 0; i < loads; i++) {
        arrivals.getOpaque();
      }
    }
  }

  /**
   * Both sides sleep: the device re-enables kicks and waits when it finds the ring empty, the
   * driver re-enables interrupts and waits when nothing is used. Were a fence missing on either
   * side, both would come to wait for each other.
   */
  @Test
  void noKickAndNoInterruptIsLost() throws InterruptedException {
    for (boolean eventIdx : new boolean[] {false, true}) {
      Bench bench = new Bench(4, eventIdx, 0xFFF0);
      int count = 50_000;
      AtomicInteger kicks = new AtomicInteger();
      AtomicInteger interrupts = new AtomicInteger();
      AtomicReference<String> failure = new AtomicReference<>();
      Thread device =
          new Thread(() -> sleepyDevice(bench, count, kicks, interrupts, failure), "device");
      device.start();
      try {
        sleepyDriver(bench, count, kicks, interrupts, failure);
      } finally {
        end(device, failure);
      }
      assertEquals(null, failure.get(), "eventIdx=" + eventIdx);
    }
  }

  private static void sleepyDriver(
      Bench bench,
      int count,
      AtomicInteger kicks,
      AtomicInteger interrupts,
      AtomicReference<String> failure) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    long sent = 0;
    long received = 0;
    while (received < count && failure.get() == null) {
      boolean full = sent - received == 4 || sent == count;
      if (!full) {
        bench.driver.begin().writable(Bench.BUFFERS, 8).offer();
        sent++;
        if (bench.driver.publish()) {
          kicks.incrementAndGet();
        }
      }
      bench.driver.disableInterrupts();
      while (bench.driver.poll()) {
        received++;
      }
      boolean mustWait = received < count && (sent - received == 4 || sent == count);
      if (mustWait) {
        int before = interrupts.get();
        if (!bench.driver.enableInterrupts()) {
          await(interrupts, before, deadline, failure, "driver, received=" + received);
        }
      }
    }
  }

  private static void sleepyDevice(
      Bench bench,
      int count,
      AtomicInteger kicks,
      AtomicInteger interrupts,
      AtomicReference<String> failure) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    int done = 0;
    while (done < count && failure.get() == null) {
      bench.queue.disableKicks();
      while (bench.queue.next(bench.chain) == Outcome.CHAIN) {
        bench.queue.complete(bench.chain, 8);
        done++;
        if (bench.queue.publish()) {
          interrupts.incrementAndGet();
        }
      }
      int before = kicks.get();
      if (done < count && !bench.queue.enableKicks()) {
        await(kicks, before, deadline, failure, "device, done=" + done);
      }
    }
  }

  /**
   * Waits for the device's thread; one that is not done soon, since the driver gave up, is told.
   */
  private static void end(Thread device, AtomicReference<String> failure)
      throws InterruptedException {
    if (!device.join(Duration.ofSeconds(5))) {
      failure.compareAndSet(null, "the driver has ended, the device has not");
      device.join();
    }
  }

  private static void await(
      AtomicInteger bell, int before, long deadline, AtomicReference<String> failure, String who) {
    while (bell.get() == before && failure.get() == null) {
      if (System.nanoTime() > deadline) {
        failure.compareAndSet(null, "waits for ever: " + who);
      }
      Thread.onSpinWait();
    }
  }
}
