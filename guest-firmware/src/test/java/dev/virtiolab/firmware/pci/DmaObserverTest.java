package dev.virtiolab.firmware.pci;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.pci.FakePci.Function;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.posix.fixture.Allocation;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** An observer is told what drivers do about DMA, at PciIo, where every platform passes. */
class DmaObserverTest {
  private static final int ROUNDS = 1000;

  private final List<String> told = new ArrayList<>();
  private final LongRef bytes = new LongRef(100);
  private final LongRef device = new LongRef(-1);
  private final Ref<DmaMapping> mapping = new Ref<>();

  private final DmaObserver recorder =
      new DmaObserver() {
        @Override
        public void mapped(
            int requesterId,
            DmaOperation operation,
            long hostAddress,
            long bytesAsked,
            long bytesMapped,
            long deviceAddress,
            DmaMapping token) {
          assertSame(mapping.value, token);
          told.add(
              "%x map %s %x %d %d %x"
                  .formatted(
                      requesterId, operation, hostAddress, bytesAsked, bytesMapped, deviceAddress));
        }

        @Override
        public void mapFailed(
            int requesterId,
            DmaOperation operation,
            long hostAddress,
            long bytesAsked,
            EfiStatus status) {
          told.add(
              "%x map %s %x %d %s"
                  .formatted(requesterId, operation, hostAddress, bytesAsked, status));
        }

        @Override
        public void unmapped(int requesterId, DmaMapping token, EfiStatus status) {
          assertSame(mapping.value, token);
          told.add("%x unmap %s".formatted(requesterId, status));
        }

        @Override
        public void bufferAllocated(int requesterId, long pages, long hostAddress) {
          told.add("%x allocate %d %x".formatted(requesterId, pages, hostAddress));
        }

        @Override
        public void bufferFreed(int requesterId, long pages, long hostAddress, EfiStatus status) {
          told.add("%x free %d %x %s".formatted(requesterId, pages, hostAddress, status));
        }
      };

  private static PciIo start(DmaObserver observer) {
    return new PciBench(PciBench.RESOURCES, observer).startOne(new Function(4, 0));
  }

  @Test
  void isToldOfEachMapAndUnmapWithWhatTheDriverAskedAndGot() {
    PciIo pciIo = start(recorder);

    pciIo.map(BUS_MASTER_READ, 0x5004, bytes, device, mapping);
    pciIo.unmap(mapping.value);
    pciIo.unmap(mapping.value);

    assertEquals(
        List.of(
            "20 map BUS_MASTER_READ 5004 100 100 5004",
            "20 unmap SUCCESS",
            "20 unmap INVALID_PARAMETER"),
        told);
  }

  @Test
  void isToldOfWhatWasRefused() {
    PciIo pciIo = start(recorder);

    pciIo.map(BUS_MASTER_COMMON_BUFFER, PciBench.FOUR_GIB, bytes, device, mapping);

    assertEquals(List.of("20 map BUS_MASTER_COMMON_BUFFER 100000000 100 UNSUPPORTED"), told);
  }

  @Test
  void isToldOfBuffersAllocatedAndFreed() {
    PciIo pciIo = start(recorder);
    LongRef host = new LongRef();

    pciIo.allocateBuffer(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 3, host, 0);
    pciIo.freeBuffer(3, host.value);

    String address = Long.toHexString(host.value);
    assertEquals(List.of("20 allocate 3 " + address, "20 free 3 " + address + " SUCCESS"), told);
  }

  @Test
  void mappingsThatAreOpenTogetherAreTellableApart() {
    PciIo pciIo = start(DmaObserver.NONE);
    List<DmaMapping> open = new ArrayList<>();
    for (int i = 0; i < ROUNDS; i++) {
      pciIo.map(BUS_MASTER_READ, 0x5004, bytes, device, mapping);
      assertFalse(open.contains(mapping.value));
      open.add(mapping.value);
      if (i % 3 == 0) {
        assertEquals(EfiStatus.SUCCESS, pciIo.unmap(open.removeFirst()));
      }
    }
  }

  @Test
  void aMapAndItsUnmapAllocateNothing() {
    assertAllocatesNothing(start(DmaObserver.NONE));
    assertAllocatesNothing(start(new DmaObserver() {}));
  }

  private void assertAllocatesNothing(PciIo pciIo) {
    Runnable work =
        () -> {
          for (int i = 0; i < ROUNDS; i++) {
            EfiStatus status = pciIo.map(BUS_MASTER_READ, 0x5004, bytes, device, mapping);
            if (status.isError() || pciIo.unmap(mapping.value).isError()) {
              throw new AssertionError(status);
            }
          }
        };
    long allocated = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 50 && allocated >= ROUNDS; attempt++) {
      allocated = Allocation.bytesOf(20, work);
    }
    assertTrue(allocated < ROUNDS, "bytes per map and unmap: " + (double) allocated / ROUNDS);
  }
}
