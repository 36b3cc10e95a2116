package dev.virtiolab.integration.parts;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.sev.SevPlatform;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A page of 4 KiB under SEV: what the guest's own access costs, and what encryption does. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class EncryptedPage {
  private static final long MEMORY_BYTES = 1 << 20;
  private static final long PAGE = 0x8000;
  private static final long PAGE_BYTES = 4096;

  private PhysicalMemory memory;
  private SevPlatform platform;
  private CpuMemory cpu;
  private PageAttributes attributes;
  private long value;

  /** For JMH. */
  public EncryptedPage() {}

  /** Makes a small encrypted memory. */
  @Setup
  public void make() {
    memory = PhysicalMemory.allocate(MEMORY_BYTES, 0);
    platform = new SevPlatform(memory, new SplittableRandom(1));
    cpu = platform.cpuMemory();
    attributes = platform.pageAttributes().orElseThrow();
    cpu.fill(PAGE, PAGE_BYTES, (byte) 0);
  }

  /** The guest writes to a page of its own and reads it back: no byte is encrypted for it. */
  @Benchmark
  public long privateAccess() {
    cpu.putLong(PAGE, ++value);
    return cpu.getLong(PAGE);
  }

  /**
   * The guest writes to its page, shares it, takes it back and reads it: the page is encrypted once
   * and decrypted once, and two C-bits flip.
   */
  @Benchmark
  public long sealAndUnseal() {
    cpu.putLong(PAGE, ++value);
    attributes.setShared(PAGE, 1);
    attributes.setPrivate(PAGE, 1);
    return cpu.getLong(PAGE);
  }

  /** Frees the memory. */
  @TearDown
  public void free() {
    platform.close();
    memory.close();
  }
}
