package dev.virtiolab.firmware.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

/** A Map and its Unmap cost the Java heap nothing once the pools are filled. */
class IoMmuAllocationTest {
  private static final long RAM_BYTES = 16 << 20;
  private static final int ROUNDS = 1000;

  private final HandOff handOff = HandOffs.withRam(RAM_BYTES);
  private final FlatCpuMemory memory = new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8));
  private final DxeCore core = new DxeCore(memory, new VirtualClock(), handOff);
  private final DmaCounters counters = new DmaCounters();
  private final IoMmuDxe ioMmu =
      new IoMmuDxe(
          core, memory, handOff, new NoAttributes(), BounceSlots.OVMF, counters, DmaObserver.NONE);
  private final LongRef bytes = new LongRef();
  private final LongRef device = new LongRef();
  private final Ref<DmaMapping> mapping = new Ref<>();

  @Test
  void mapAndUnmapOfAFrameAllocateNothing() {
    assertEquals(EfiStatus.SUCCESS, ioMmu.start());
    LongRef client = new LongRef();
    core.allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, client);
    Runnable work =
        () -> {
          for (int i = 0; i < ROUNDS; i++) {
            once(DmaOperation.BUS_MASTER_READ64, client.value, 1514);
            once(DmaOperation.BUS_MASTER_WRITE64, client.value, 1514);
          }
        };
    // Until the JVM has compiled it all, a slice of memory that lives for a line is an object.
    long allocated = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 50 && allocated >= ROUNDS; attempt++) {
      allocated = Allocation.bytesOf(20, work);
    }
    assertTrue(allocated < ROUNDS, "bytes per map and unmap: " + (double) allocated / ROUNDS / 2);
    assertEquals(counters.maps(), counters.unmaps());
  }

  private void once(DmaOperation operation, long client, int length) {
    bytes.value = length;
    EfiStatus status = ioMmu.map(operation, client, bytes, device, mapping);
    if (status != EfiStatus.SUCCESS || ioMmu.unmap(mapping.value) != EfiStatus.SUCCESS) {
      throw new AssertionError(status);
    }
  }

  private static final class NoAttributes implements PageAttributes {
    @Override
    public void setShared(long address, long pages) {}

    @Override
    public void setPrivate(long address, long pages) {}

    @Override
    public boolean isShared(long address) {
      return false;
    }
  }
}
