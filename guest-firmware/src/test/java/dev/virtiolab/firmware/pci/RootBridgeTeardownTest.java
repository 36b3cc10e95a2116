package dev.virtiolab.firmware.pci;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.pci.FakePci.Function;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Where there is no IOMMU driver, the root bridge takes down what drivers have mapped. */
class RootBridgeTeardownTest {
  private static final long ABOVE = PciBench.FOUR_GIB + 0x1000;

  private final List<DmaMapping> tornDown = new ArrayList<>();
  private final LongRef device = new LongRef();
  private final PciBench bench =
      new PciBench(
          PciBench.RESOURCES,
          new DmaObserver() {
            @Override
            public void tornDown(DmaMapping mapping) {
              tornDown.add(mapping);
            }
          });
  private final PciIo pciIo = bench.startOne(new Function(4, 0));

  private DmaMapping mapped(DmaOperation operation, long host) {
    Ref<DmaMapping> mapping = new Ref<>();
    assertEquals(EfiStatus.SUCCESS, pciIo.map(operation, host, new LongRef(100), device, mapping));
    return mapping.value;
  }

  @Test
  void everythingGoesTheLatestFirstAndEachIsToldOnce() {
    DmaMapping first = mapped(BUS_MASTER_COMMON_BUFFER, 0x5000);
    DmaMapping second = mapped(BUS_MASTER_READ, ABOVE);
    DmaMapping third = mapped(BUS_MASTER_WRITE, 0x6000);
    pciIo.unmap(mapped(BUS_MASTER_READ, 0x7000));
    assertEquals(3, bench.rootBridge.openMappings());

    bench.rootBridge.unmapAll();
    assertEquals(List.of(third, second, first), tornDown);
    assertEquals(0, bench.rootBridge.openMappings());
    assertEquals(4, bench.counters.unmaps());

    bench.rootBridge.unmapAll();
    assertEquals(3, tornDown.size());
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.unmap(second));
    assertEquals(1, bench.counters.invalidUnmaps());
  }

  @Test
  void whatTheDeviceHasWrittenIsTheClientsAndNoPageIsFreed() {
    mapped(BUS_MASTER_WRITE, ABOVE);
    bench.memory.putByte(device.value + 99, (byte) 42);
    long key = bench.core.memoryMapKey();
    bench.rootBridge.unmapAll();
    assertEquals(42, bench.memory.getByte(ABOVE + 99));
    assertEquals(key, bench.core.memoryMapKey());
  }

  @Test
  void onceTheMapIsLockedUnmapFreesNothingEither() {
    DmaMapping early = mapped(BUS_MASTER_WRITE, ABOVE);
    DmaMapping late = mapped(BUS_MASTER_WRITE, ABOVE);
    bench.memory.putByte(device.value, (byte) 7);
    long key = bench.core.memoryMapKey();
    pciIo.unmap(early);
    assertNotEquals(key, bench.core.memoryMapKey(), "freed as ever");
    key = bench.core.memoryMapKey();
    bench.rootBridge.lockMemoryMap();
    assertEquals(EfiStatus.SUCCESS, pciIo.unmap(late));
    assertEquals(key, bench.core.memoryMapKey());
    assertEquals(7, bench.memory.getByte(ABOVE));
    assertEquals(List.of(), tornDown, "a driver's Unmap is no teardown");
  }
}
