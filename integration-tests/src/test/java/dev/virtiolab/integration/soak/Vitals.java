package dev.virtiolab.integration.soak;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * What this process holds at a quiet moment.
 *
 * @param heapBytes that are reachable: measured after a collection
 * @param residentBytes of the process, guests' memory included
 * @param descriptors that are open
 * @param threads of Java
 */
record Vitals(long heapBytes, long residentBytes, long descriptors, long threads) {
  private static final int KIB = 1024;

  /** The thread of Java's that cleans up after unreachable objects may need a second look. */
  private static final int COLLECTIONS = 2;

  /** As it is now. */
  static Vitals measure() {
    for (int i = 0; i < COLLECTIONS; i++) {
      System.gc();
    }
    return new Vitals(
        ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed(),
        residentKib() * KIB,
        openDescriptors(),
        ManagementFactory.getThreadMXBean().getThreadCount());
  }

  /** proc_pid_status(5): VmRSS. */
  private static long residentKib() {
    try {
      List<String> lines = Files.readAllLines(Path.of("/proc/self/status"));
      return lines.stream()
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
          .findFirst()
          .orElseThrow();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The one by which the folder is read is among them, each time. */
  private static long openDescriptors() {
    try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
      return open.count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
