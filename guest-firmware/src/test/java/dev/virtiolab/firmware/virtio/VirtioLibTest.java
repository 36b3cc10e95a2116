package dev.virtiolab.firmware.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.fixture.device.FakeVirtioDevice;
import dev.virtiolab.firmware.fixture.device.SpyMemory;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** VirtioLib and the ring, byte by byte: virtio v1.4, 2.7 "Split Virtqueues". */
class VirtioLibTest {
  private static final long RAM_BYTES = 16L << 20;
  private static final MemorySegment RAM = Arena.global().allocate(RAM_BYTES, 8);

  private final FlatCpuMemory memory = new FlatCpuMemory(RAM);
  private final DxeCore core = new DxeCore(memory, new VirtualClock(), HandOffs.withRam(RAM_BYTES));
  private final FakeVirtioDevice device = new FakeVirtioDevice(core, memory);
  private final VirtioRing ring = new VirtioRing();

  private static void ok(EfiStatus status) {
    assertEquals(EfiStatus.SUCCESS, status);
  }

  @ParameterizedTest
  @CsvSource({
    // queue size, offset of avail, offset of used, pages
    "2, 32, 4096, 2",
    "128, 2048, 4096, 2",
    "256, 4096, 8192, 3",
    "512, 8192, 12288, 5",
    "32768, 524288, 593920, 210"
  })
  void ringPartsLieWhereEdk2PutsThem(int size, long avail, long used, long pages) {
    ok(VirtioLib.virtioRingInit(device, memory, size, ring));
    assertEquals(0, ring.base() % 4096);
    assertEquals(ring.base(), ring.descriptorTable());
    assertEquals(ring.base() + avail, ring.availRing());
    assertEquals(ring.base() + used, ring.usedRing());
    assertEquals(pages, ring.pages());
    assertEquals(pages, device.sharedPagesOut());
    for (long i = 0; i < pages * 4096; i++) {
      assertEquals(0, memory.getByte(ring.base() + i));
    }
    VirtioLib.virtioRingUninit(device, ring);
    assertEquals(0, device.sharedPagesOut());
  }

  @Test
  void theWholeRingIsMappedAsOneCommonBufferAndTheShiftTold() {
    ok(VirtioLib.virtioRingInit(device, memory, 256, ring));
    LongRef shift = new LongRef();
    Ref<DmaMapping> mapping = new Ref<>();
    ok(VirtioLib.virtioRingMap(device, ring, shift, mapping));
    ok(
        device.setQueueAddress(
            ring.descriptorTable(), ring.availRing(), ring.usedRing(), shift.value));
    ok(device.setDeviceStatus(15));
    ring.descriptor(0, 0, 0, 0, 0);
    ring.offer(0);
    ring.publish();
    assertEquals(0, device.pop(0), "the device finds it through the shift");
    ok(device.unmapSharedBuffer(mapping.value));
  }

  @Test
  void aMappingThatIsTooShortIsUndone() {
    device.mapLimit = 100;
    Ref<DmaMapping> mapping = new Ref<>();
    LongRef address = new LongRef();
    ok(
        VirtioLib.virtioMapAllBytesInSharedBuffer(
            device, DmaOperation.BUS_MASTER_READ, 0x1000, 100, new LongRef(), address, mapping));
    assertEquals(1, device.openMappings());
    assertEquals(
        EfiStatus.OUT_OF_RESOURCES,
        VirtioLib.virtioMapAllBytesInSharedBuffer(
            device, DmaOperation.BUS_MASTER_READ, 0x1000, 101, new LongRef(), address, mapping));
    assertEquals(1, device.openMappings());
  }

  @Test
  void featuresOkIsReadBack() {
    IntRef status = new IntRef(3);
    ok(VirtioLib.virtio10WriteFeatures(device, 1L << 32, status));
    assertEquals(11, status.value);
    device.refusesFeatures = true;
    status.value = 3;
    assertEquals(EfiStatus.UNSUPPORTED, VirtioLib.virtio10WriteFeatures(device, 1L << 32, status));
    assertEquals(3, status.value);
  }

  @Test
  void bytesOnTheRingAreThoseOfTheSpecification() {
    ok(VirtioLib.virtioRingInit(device, memory, 4, ring));
    ring.availFlags(1);
    ring.descriptor(2, 0x1122_3344_5566_7788L, 0x99aa_bbcc, 3, 1);
    long d = ring.base() + 32;
    assertEquals(0x1122_3344_5566_7788L, memory.getLong(d));
    assertEquals(0x99aa_bbcc, memory.getInt(d + 8));
    assertEquals(3, memory.getShort(d + 12));
    assertEquals(1, memory.getShort(d + 14));
    ring.repoint(2, 5, 6);
    assertEquals(5, memory.getLong(d));
    assertEquals(6, memory.getInt(d + 8));
    assertEquals(3, memory.getShort(d + 12));
    ring.offer(2);
    assertEquals(0, memory.getShort(ring.base() + 64 + 2), "not published yet");
    ring.publish();
    assertEquals(1, memory.getShort(ring.base() + 64));
    assertEquals(1, memory.getShort(ring.base() + 64 + 2));
    assertEquals(2, memory.getShort(ring.base() + 64 + 4));
    assertTrue(ring.kickWanted());
    memory.putShort(ring.usedRing(), (short) 1);
    assertFalse(ring.kickWanted());
    memory.putInt(ring.usedRing() + 4, 2);
    memory.putInt(ring.usedRing() + 8, -1);
    assertEquals(0, ring.look());
    memory.putShort(ring.usedRing() + 2, (short) 1);
    assertEquals(1, ring.look());
    assertEquals(2, ring.take());
    assertEquals(0xffff_ffffL, ring.takenLength());
    assertEquals(0, ring.out());
  }

  @Test
  void indicesAreReadWithAcquireAndPublishedWithReleaseAndNothingTheDriverWroteIsReadBack() {
    SpyMemory spy = new SpyMemory(memory);
    ok(VirtioLib.virtioRingInit(device, spy, 4, ring));
    long availIdx = ring.availRing() + 2;
    long usedIdx = ring.usedRing() + 2;
    List<String> order = new ArrayList<>();
    spy.onGetShort = at -> order.add(at == ring.usedRing() ? "flags" : "read " + at);
    spy.onPutShort = at -> order.add(at == availIdx ? "plain publish" : "entry");
    spy.onAcquire = at -> order.add(at == usedIdx ? "acquire used.idx" : "acquire " + at);
    spy.onRelease = at -> order.add(at == availIdx ? "release avail.idx" : "release " + at);
    ring.offer(0);
    ring.offer(2);
    ring.publish();
    assertTrue(ring.kickWanted());
    memory.putInt(ring.usedRing() + 4, 2);
    memory.putInt(ring.usedRing() + 12, 0);
    memory.putShort(ring.usedRing() + 2, (short) 2);
    assertEquals(2, ring.look());
    assertEquals(2, ring.take());
    assertEquals(1, ring.look());
    assertEquals(0, ring.take());
    assertEquals(
        List.of("entry", "entry", "release avail.idx", "flags", "acquire used.idx"), order);
  }

  @Test
  void theDriversOwnMistakesFailLoudly() {
    ok(VirtioLib.virtioRingInit(device, memory, 4, ring));
    assertThrows(IllegalStateException.class, ring::take);
    ring.offer(0);
    assertThrows(IllegalStateException.class, () -> ring.offer(0));
  }
}
