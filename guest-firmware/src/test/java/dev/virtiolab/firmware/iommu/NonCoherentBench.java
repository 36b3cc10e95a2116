package dev.virtiolab.firmware.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.exitboot.policy.StagedTeardown;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.TestSeat;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOff.Range;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.pci.fixture.SlowCache;
import java.util.List;

/**
 * A started driver on a real core and the slow model of a cache, with RAM below what 32 bits of bus
 * address reach, between there and 4 GiB, and above. A device works with device addresses.
 */
final class NonCoherentBench {
  static final long OFFSET = 0x8000_0000L;
  static final long FOUR_GIB = 1L << 32;

  /** What every byte of DRAM is until somebody writes it. */
  static final char STALE = '~';

  private static final HandOff HAND_OFF =
      HandOffs.shifted(
          HandOffs.withRam(
              List.of(
                  new Range(0, 16 << 20),
                  new Range(OFFSET, 1 << 20),
                  new Range(FOUR_GIB, 4 << 20))),
          OFFSET);

  final SlowCache memory =
      new SlowCache(
          address ->
              HAND_OFF.ram().stream()
                  .anyMatch(range -> address >= range.base() && address < range.limit()),
          (byte) STALE);
  final DxeCore core = new DxeCore(memory, new VirtualClock(), HAND_OFF);
  final DmaCounters counters = new DmaCounters();
  final NonCoherentDmaDxe dma;

  final LongRef bytes = new LongRef();
  final LongRef device = new LongRef(-77);
  final Ref<DmaMapping> mapping = new Ref<>();

  NonCoherentBench() {
    this(StagedTeardown.requeueCallback());
  }

  NonCoherentBench(TeardownPolicy policy) {
    dma = new NonCoherentDmaDxe(core, memory, memory, HAND_OFF, counters, DmaObserver.NONE);
    assertEquals(EfiStatus.SUCCESS, dma.start());
    TestSeat.arm(policy, core, dma);
  }

  EfiStatus map(DmaOperation operation, long host, long length) {
    bytes.value = length;
    return dma.map(operation, host, bytes, device, mapping);
  }

  DmaMapping mapped(DmaOperation operation, long host, long length) {
    assertEquals(EfiStatus.SUCCESS, map(operation, host, length));
    assertEquals(length, bytes.value);
    return mapping.value;
  }

  void unmap(DmaMapping which) {
    assertEquals(EfiStatus.SUCCESS, dma.unmap(which));
  }

  /** Cached pages that are the caller's, above 4 GiB. */
  long pages(long count) {
    return pages(AllocateType.ANY_PAGES, 0, count);
  }

  long pagesBelow(long limit, long count) {
    return pages(AllocateType.MAX_ADDRESS, limit - 1, count);
  }

  private long pages(AllocateType type, long at, long count) {
    LongRef address = new LongRef(at);
    assertEquals(
        EfiStatus.SUCCESS, core.allocatePages(type, MemoryType.BOOT_SERVICES_DATA, count, address));
    return address.value;
  }

  long commonBuffer(long pages, long attributes) {
    LongRef host = new LongRef();
    assertEquals(
        EfiStatus.SUCCESS,
        dma.allocateBuffer(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages, host, attributes));
    return host.value;
  }

  /** The CPU writes. */
  void putText(long address, String text) {
    for (int i = 0; i < text.length(); i++) {
      memory.putByte(address + i, (byte) text.charAt(i));
    }
  }

  /** What the CPU reads. */
  String text(long address, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append((char) (memory.getByte(address + i) & 0xff));
    }
    return text.toString();
  }

  /** What a device reads, by device address. */
  String deviceText(long address, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append((char) (memory.dramByte(address - OFFSET + i) & 0xff));
    }
    return text.toString();
  }

  /** A device writes, by device address. */
  void deviceWrites(long address, String text) {
    for (int i = 0; i < text.length(); i++) {
      memory.dramWrite(address - OFFSET + i, (byte) text.charAt(i));
    }
  }

  List<MemoryDescriptor> memoryMap() {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    assertEquals(EfiStatus.SUCCESS, core.getMemoryMap(new LongRef(1 << 20), map, new LongRef()));
    return map.value;
  }

  long freePages() {
    return memoryMap().stream()
        .filter(descriptor -> descriptor.type() == MemoryType.CONVENTIONAL)
        .mapToLong(MemoryDescriptor::pages)
        .sum();
  }

  EfiStatus exitBootServices() {
    LongRef key = new LongRef();
    core.getMemoryMap(new LongRef(1 << 20), new Ref<>(), key);
    return core.exitBootServices(key.value);
  }
}
