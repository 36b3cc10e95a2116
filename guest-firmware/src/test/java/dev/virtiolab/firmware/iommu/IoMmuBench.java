package dev.virtiolab.firmware.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.exitboot.policy.StagedTeardown;
import dev.virtiolab.firmware.fixture.FakeSevMemory;
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
import java.util.List;

/** A started driver on a real core and a fake encrypted memory, below and above 4 GiB. */
final class IoMmuBench {
  static final long FOUR_GIB = 1L << 32;
  static final HandOff HAND_OFF =
      HandOffs.withRam(List.of(new Range(0, 16 << 20), new Range(FOUR_GIB, 4 << 20)));

  final FakeSevMemory memory = new FakeSevMemory(HAND_OFF);
  final DxeCore core = new DxeCore(memory, new VirtualClock(), HAND_OFF);
  final DmaCounters counters = new DmaCounters();
  final IoMmuDxe ioMmu;

  final LongRef bytes = new LongRef();
  final LongRef device = new LongRef(-77);
  final Ref<DmaMapping> mapping = new Ref<>();

  IoMmuBench(BounceSlots slots) {
    this(slots, StagedTeardown.requeueCallback());
  }

  IoMmuBench(BounceSlots slots, TeardownPolicy policy) {
    ioMmu = new IoMmuDxe(core, memory, HAND_OFF, memory, slots, counters, DmaObserver.NONE);
    assertEquals(EfiStatus.SUCCESS, ioMmu.start());
    TestSeat.arm(policy, core, ioMmu);
  }

  EfiStatus map(DmaOperation operation, long host, long length) {
    bytes.value = length;
    return ioMmu.map(operation, host, bytes, device, mapping);
  }

  DmaMapping mapped(DmaOperation operation, long host, long length) {
    assertEquals(EfiStatus.SUCCESS, map(operation, host, length));
    assertEquals(length, bytes.value);
    return mapping.value;
  }

  void unmap(DmaMapping which) {
    assertEquals(EfiStatus.SUCCESS, ioMmu.unmap(which));
  }

  /** Private pages that are the caller's, above 4 GiB where there is most room at the top. */
  long pages(long count) {
    return pages(AllocateType.ANY_PAGES, 0, count);
  }

  long pagesBelow4Gib(long count) {
    return pages(AllocateType.MAX_ADDRESS, FOUR_GIB - 1, count);
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
        ioMmu.allocateBuffer(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages, host, attributes));
    return host.value;
  }

  void putText(long address, String text) {
    for (int i = 0; i < text.length(); i++) {
      memory.putByte(address + i, (byte) text.charAt(i));
    }
  }

  String text(long address, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append((char) (memory.getByte(address + i) & 0xff));
    }
    return text.toString();
  }

  String deviceText(long address, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append((char) (memory.deviceByte(address + i) & 0xff));
    }
    return text.toString();
  }

  void deviceWrites(long address, String text) {
    for (int i = 0; i < text.length(); i++) {
      memory.deviceWrite(address + i, (byte) text.charAt(i));
    }
  }

  boolean deviceSeesZeros(long address, long length) {
    for (long i = 0; i < length; i++) {
      if (memory.deviceByte(address + i) != 0) {
        return false;
      }
    }
    return true;
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
