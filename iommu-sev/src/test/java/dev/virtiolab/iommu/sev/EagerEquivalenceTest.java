package dev.virtiolab.iommu.sev;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import dev.virtiolab.pci.memory.RawDram;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Lazy and eager encryption cannot be told apart: the same random history is lived through by both,
 * and whatever any observer sees is compared byte for byte as it is seen.
 *
 * <p>{@code -Dvirtiolab.seed=N} replays a run; a failure names the history and the step.
 */
class EagerEquivalenceTest {
  private static final int HISTORIES = 3000;
  private static final int STEPS = 200;
  private static final int PAGE = 4096;
  private static final long LOW_PAGES = 10;
  private static final long HIGH_PAGES = 6;

  @Test
  void noObserverCanTellLazyFromEagerEncryption() throws GeneralSecurityException {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("EagerEquivalenceTest: -Dvirtiolab.seed=" + seed);
    SplittableRandom seeds = new SplittableRandom(seed);
    try (PhysicalMemory memory = PhysicalMemory.allocate(LOW_PAGES * PAGE, HIGH_PAGES * PAGE)) {
      for (int i = 0; i < HISTORIES; i++) {
        memory.regions().forEach(region -> region.segment().fill((byte) 0));
        String name = "-Dvirtiolab.seed=%d history=%d".formatted(seed, i);
        new History(memory, seeds.nextLong(), name).run();
      }
    }
  }

  /** One life of one memory. */
  private static final class History {
    private final SplittableRandom random;
    private final String name;
    private final SevPlatform lazy;
    private final CpuMemory cpu;
    private final PageAttributes attributes;
    private final RawDram dram;
    private final TestDevice device;
    private final EagerSev eager;
    private final List<Long> pages = new ArrayList<>();
    private final List<RamRegion> regions;
    private String step = "start";

    History(PhysicalMemory memory, long seed, String name) throws GeneralSecurityException {
      random = new SplittableRandom(seed);
      this.name = name;
      lazy = new SevPlatform(memory, random.split());
      cpu = lazy.cpuMemory();
      attributes = lazy.pageAttributes().orElseThrow();
      dram = lazy.dram();
      device = new TestDevice(lazy.busMemory(0x0010));
      regions = memory.regions();
      for (RamRegion region : regions) {
        for (long page = region.base(); page < region.limit(); page += PAGE) {
          pages.add(page);
        }
      }
      eager = new EagerSev(lazy.keys().data(), lazy.keys().tweak(), pages, dram::systemPhysical);
    }

    void run() {
      for (int i = 0; i < STEPS; i++) {
        step(i);
      }
      step = "end";
      for (long page : pages) {
        assertEquals(eager.isShared(page), attributes.isShared(page), this::where);
        same(eager.deviceRead(page, PAGE), device.read(0, page, PAGE));
        long system = dram.systemPhysical(page);
        same(eager.dramRead(system, PAGE), dramRead(system, PAGE));
      }
      long page = anyPage();
      same(eager.cpuRead(page, PAGE), cpuRead(page, PAGE));
    }

    private void step(int number) {
      int kind = random.nextInt(16);
      step = "step=%d kind=%d".formatted(number, kind);
      switch (kind) {
        case 0, 1 -> cpuLoad();
        case 2, 3 -> cpuStore();
        case 4 -> {
          long address = anywhere();
          int length = lengthFrom(address);
          same(eager.cpuRead(address, length), cpuRead(address, length));
        }
        case 5 -> {
          long address = anywhere();
          byte[] bytes = bytes(lengthFrom(address));
          eager.cpuWrite(address, bytes);
          cpu.write(address, MemorySegment.ofArray(bytes), 0, bytes.length);
        }
        case 6 -> {
          long source = anywhere();
          long target = random.nextInt(3) == 0 ? near(source) : anywhere();
          int length = Math.min(lengthFrom(source), lengthFrom(target));
          eager.cpuWrite(target, eager.cpuRead(source, length));
          cpu.copy(source, target, length);
        }
        case 7 -> {
          boolean whole = random.nextBoolean();
          long address = whole ? anyPage() : anywhere();
          byte[] bytes = new byte[whole ? PAGE : lengthFrom(address)];
          Arrays.fill(bytes, (byte) random.nextInt());
          eager.cpuWrite(address, bytes);
          cpu.fill(address, bytes.length, bytes.length == 0 ? 0 : bytes[0]);
        }
        case 8, 9 -> {
          long address = anywhere();
          int length = lengthFrom(address);
          int window = random.nextInt(device.windows());
          same(eager.deviceRead(address, length), device.read(window, address, length));
        }
        case 10, 11 -> {
          long address = anywhere();
          byte[] bytes = bytes(lengthFrom(address));
          eager.deviceWrite(address, bytes);
          device.write(random.nextInt(device.windows()), address, bytes);
        }
        case 12 -> {
          long system = dram.systemPhysical(anywhere());
          int length = random.nextInt(Math.min(64, (int) (PAGE - system % PAGE)) + 1);
          if (random.nextBoolean()) {
            same(eager.dramRead(system, length), dramRead(system, length));
          } else {
            byte[] bytes = bytes(length);
            eager.dramWrite(system, bytes);
            dramWrite(system, bytes);
          }
        }
        case 13 -> moveRawBytes();
        default -> flip();
      }
    }

    private void cpuLoad() {
      int width = 1 << random.nextInt(4);
      long address = anywhere();
      if (lengthToEnd(address) < width) {
        return;
      }
      if (width == 2 && random.nextBoolean()) {
        address &= ~1L;
        short value = cpu.getShortAcquire(address);
        same(eager.cpuRead(address, 2), little(2).putShort(value).array());
        return;
      }
      ByteBuffer seen = little(width);
      switch (width) {
        case 1 -> seen.put(cpu.getByte(address));
        case 2 -> seen.putShort(cpu.getShort(address));
        case 4 -> seen.putInt(cpu.getInt(address));
        default -> seen.putLong(cpu.getLong(address));
      }
      same(eager.cpuRead(address, width), seen.array());
    }

    private void cpuStore() {
      int width = 1 << random.nextInt(4);
      long address = anywhere();
      if (lengthToEnd(address) < width) {
        return;
      }
      long value = random.nextLong();
      byte[] bytes = new byte[width];
      System.arraycopy(little(8).putLong(value).array(), 0, bytes, 0, width);
      if (width == 2 && random.nextBoolean()) {
        address &= ~1L;
        cpu.putShortRelease(address, (short) value);
      } else {
        switch (width) {
          case 1 -> cpu.putByte(address, (byte) value);
          case 2 -> cpu.putShort(address, (short) value);
          case 4 -> cpu.putInt(address, (int) value);
          default -> cpu.putLong(address, value);
        }
      }
      eager.cpuWrite(address, bytes);
    }

    /** What a hostile host does: carries raw bytes to another page, or plays old ones back. */
    private void moveRawBytes() {
      long from = dram.systemPhysical(anyPage());
      long to = random.nextInt(3) == 0 ? from : dram.systemPhysical(anyPage());
      int start = random.nextInt(PAGE / 16) * 16;
      int length = Math.min(PAGE - start, 16 * (1 + random.nextInt(8)));
      byte[] raw = dramRead(from + start, length);
      same(eager.dramRead(from + start, length), raw);
      if (random.nextBoolean()) {
        cpuStore();
      }
      dramWrite(to + start, raw);
      eager.dramWrite(to + start, raw);
    }

    private void flip() {
      long address = anyPage();
      boolean shared = random.nextBoolean();
      int count = 1;
      while (count < 3 && lengthToEnd(address) > (long) count * PAGE && random.nextBoolean()) {
        count++;
      }
      for (int i = 0; i < count; i++) {
        eager.setShared(address + (long) i * PAGE, shared);
      }
      if (shared) {
        attributes.setShared(address, count);
      } else {
        attributes.setPrivate(address, count);
      }
    }

    private long anyPage() {
      return pages.get(random.nextInt(pages.size()));
    }

    /** Any byte of RAM; often close to an end of its page. */
    private long anywhere() {
      int offset =
          switch (random.nextInt(4)) {
            case 0 -> random.nextInt(24);
            case 1 -> PAGE - 1 - random.nextInt(24);
            default -> random.nextInt(PAGE);
          };
      return anyPage() + offset;
    }

    /** An address for a copy that overlaps one at {@code address}. */
    private long near(long address) {
      long moved = address + random.nextInt(129) - 64;
      return lengthToEnd(moved) == 0 ? address : moved;
    }

    /** Bytes from {@code address} to the end of its region; none where there is no RAM. */
    private long lengthToEnd(long address) {
      return regions.stream()
          .filter(region -> region.contains(address))
          .mapToLong(region -> region.limit() - address)
          .findFirst()
          .orElse(0);
    }

    /** Mostly short, sometimes across a page or two; never past the region. */
    private int lengthFrom(long address) {
      int wanted =
          switch (random.nextInt(40)) {
            case 0 -> 2 * PAGE + random.nextInt(64);
            case 1 -> PAGE;
            default -> random.nextInt(80);
          };
      return (int) Math.min(wanted, lengthToEnd(address));
    }

    private byte[] bytes(int length) {
      byte[] bytes = new byte[length];
      random.nextBytes(bytes);
      return bytes;
    }

    private static ByteBuffer little(int width) {
      return ByteBuffer.allocate(width).order(ByteOrder.LITTLE_ENDIAN);
    }

    private byte[] cpuRead(long address, int length) {
      byte[] bytes = new byte[length];
      cpu.read(address, MemorySegment.ofArray(bytes), 0, length);
      return bytes;
    }

    private byte[] dramRead(long system, int length) {
      byte[] bytes = new byte[length];
      dram.read(system, MemorySegment.ofArray(bytes), 0, length);
      return bytes;
    }

    private void dramWrite(long system, byte[] bytes) {
      dram.write(system, MemorySegment.ofArray(bytes), 0, bytes.length);
    }

    private void same(byte[] expected, byte[] seen) {
      assertArrayEquals(expected, seen, this::where);
    }

    private String where() {
      return name + " " + step;
    }
  }
}
