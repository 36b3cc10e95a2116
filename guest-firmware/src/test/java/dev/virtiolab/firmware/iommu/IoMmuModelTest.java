package dev.virtiolab.firmware.iommu;

import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.iommu.BounceSlots.SlotClass;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Random histories of Map, Unmap, AllocateBuffer and FreeBuffer, against a model that knows no
 * slots, stashes or flips: an area of client memory, and what a device last wrote to a mapping.
 */
class IoMmuModelTest {
  private static final int HISTORIES = 60;
  private static final int STEPS = 60;
  private static final int CLIENT_PAGES = 4;
  private static final int CLIENT_BYTES = CLIENT_PAGES * 4096;

  @Test
  void randomHistoriesMoveTheRightBytesAndLeaveNothingShared() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("IoMmuModelTest -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    BounceSlots small = new BounceSlots(List.of(new SlotClass(4096, 2), new SlotClass(12288, 1)));
    for (int i = 0; i < HISTORIES; i++) {
      BounceSlots table = i % 2 == 0 ? BounceSlots.NONE : small;
      new History(table, random.split(), "seed=" + seed + " history=" + i).run();
    }
  }

  private static final class Open {
    DmaMapping mapping;
    DmaOperation operation;
    long host;
    long device;
    int length;
    byte[] deviceWrote;
  }

  private record Buffer(long host, int pages) {}

  private static final class History {
    private final IoMmuBench bench;
    private final SplittableRandom random;
    private final String name;
    private final long client;
    private final byte[] expected = new byte[CLIENT_BYTES];
    private final List<Open> open = new ArrayList<>();
    private final List<Buffer> buffers = new ArrayList<>();
    private final long freeAtStart;
    private final Set<Long> sharedAtStart;

    History(BounceSlots table, SplittableRandom random, String name) {
      this.random = random;
      this.name = name;
      bench = new IoMmuBench(table);
      client = bench.pages(CLIENT_PAGES);
      random.nextBytes(expected);
      for (int i = 0; i < CLIENT_BYTES; i++) {
        bench.memory.putByte(client + i, expected[i]);
      }
      freeAtStart = bench.freePages();
      sharedAtStart = bench.memory.sharedPages();
    }

    void run() {
      for (int step = 0; step < STEPS; step++) {
        switch (random.nextInt(7)) {
          case 0, 1, 2 -> map();
          case 3, 4 -> unmapOne();
          case 5 -> allocate();
          default -> freeOne();
        }
        assertEquals(expectedShared(), bench.memory.sharedPages(), name);
      }
      if (random.nextBoolean()) {
        bench.ioMmu.unmapAll();
        open.reversed().forEach(this::deviceDataArrives);
        bench.ioMmu.releaseSlots();
        assertEquals(Set.of(), bench.memory.sharedPages(), name);
      } else {
        while (!open.isEmpty()) {
          unmapOne();
        }
        while (!buffers.isEmpty()) {
          freeOne();
        }
        assertEquals(freeAtStart, bench.freePages(), name);
        assertEquals(sharedAtStart, bench.memory.sharedPages(), name);
        assertEquals(0, bench.counters.slotsInUse(), name);
        for (long page : sharedAtStart) {
          assertTrue(bench.deviceSeesZeros(page, 4096), name + ": stale bytes in a slot");
        }
      }
      for (int i = 0; i < CLIENT_BYTES; i++) {
        assertEquals(expected[i], bench.memory.getByte(client + i), name + " byte=" + i);
      }
      assertEquals(0, bench.counters.openMappings(), name);
    }

    private void map() {
      Open mapping = new Open();
      DmaOperation[] operations = DmaOperation.values();
      mapping.operation = operations[random.nextInt(operations.length)];
      if (isCommon(mapping.operation)) {
        List<Buffer> idle = new ArrayList<>(buffers);
        idle.removeIf(buffer -> open.stream().anyMatch(o -> o.host == buffer.host));
        if (idle.isEmpty()) {
          return;
        }
        Buffer buffer = idle.get(random.nextInt(idle.size()));
        mapping.host = buffer.host;
        mapping.length = 1 + random.nextInt(buffer.pages * 4096);
      } else {
        int offset = random.nextInt(CLIENT_BYTES);
        mapping.host = client + offset;
        mapping.length = 1 + random.nextInt(CLIENT_BYTES - offset);
      }
      mapping.mapping = bench.mapped(mapping.operation, mapping.host, mapping.length);
      mapping.device = bench.device.value;
      open.add(mapping);
      if (isRead(mapping.operation)) {
        for (int i = 0; i < mapping.length; i++) {
          assertEquals(
              expected[(int) (mapping.host - client) + i],
              bench.memory.deviceByte(mapping.device + i),
              name);
        }
      } else if (isWrite(mapping.operation)) {
        mapping.deviceWrote = new byte[mapping.length];
        random.nextBytes(mapping.deviceWrote);
        for (int i = 0; i < mapping.length; i++) {
          bench.memory.deviceWrite(mapping.device + i, mapping.deviceWrote[i]);
        }
      } else {
        assertEquals(mapping.host, mapping.device, name);
        byte sign = (byte) random.nextInt();
        bench.memory.putByte(mapping.host, sign);
        assertEquals(sign, bench.memory.deviceByte(mapping.host), name);
      }
    }

    private void unmapOne() {
      if (open.isEmpty()) {
        return;
      }
      Open mapping = open.remove(random.nextInt(open.size()));
      byte sign = bench.memory.getByte(mapping.host);
      bench.unmap(mapping.mapping);
      if (isCommon(mapping.operation)) {
        assertEquals(sign, bench.memory.getByte(mapping.host), name);
      }
      deviceDataArrives(mapping);
      assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.unmap(mapping.mapping), name);
    }

    private void deviceDataArrives(Open mapping) {
      if (mapping.deviceWrote != null) {
        System.arraycopy(
            mapping.deviceWrote, 0, expected, (int) (mapping.host - client), mapping.length);
      }
    }

    private void allocate() {
      int pages = 1 + random.nextInt(4);
      long dual = random.nextBoolean() ? 0 : 0x8000;
      long host = bench.commonBuffer(pages, dual);
      if (host >= IoMmuBench.FOUR_GIB) {
        // Keep those that every operation can map.
        assertEquals(EfiStatus.SUCCESS, bench.ioMmu.freeBuffer(pages, host), name);
      } else {
        buffers.add(new Buffer(host, pages));
      }
    }

    private void freeOne() {
      if (buffers.isEmpty()) {
        return;
      }
      Buffer buffer = buffers.get(random.nextInt(buffers.size()));
      boolean mapped = open.stream().anyMatch(o -> o.host == buffer.host);
      EfiStatus status = bench.ioMmu.freeBuffer(buffer.pages, buffer.host);
      assertEquals(mapped ? EfiStatus.INVALID_PARAMETER : EfiStatus.SUCCESS, status, name);
      if (!mapped) {
        buffers.remove(buffer);
      }
    }

    private Set<Long> expectedShared() {
      Set<Long> shared = new HashSet<>(sharedAtStart);
      for (Open mapping : open) {
        for (long page = mapping.device; page < mapping.device + mapping.length; page += 4096) {
          shared.add(page);
        }
      }
      return shared;
    }

    private static boolean isRead(DmaOperation operation) {
      return operation.dualAddress() == DmaOperation.BUS_MASTER_READ64;
    }

    private static boolean isWrite(DmaOperation operation) {
      return operation.dualAddress() == DmaOperation.BUS_MASTER_WRITE64;
    }

    private static boolean isCommon(DmaOperation operation) {
      return operation.dualAddress() == DmaOperation.BUS_MASTER_COMMON_BUFFER64;
    }
  }
}
