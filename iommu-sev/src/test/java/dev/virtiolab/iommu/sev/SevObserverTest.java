package dev.virtiolab.iommu.sev;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SevObserverTest {

  @Test
  void tellsOfEachRunOfPagesThatFlippedAndOfNoOther() {
    List<String> told = new ArrayList<>();
    try (PhysicalMemory memory = PhysicalMemory.allocate(1 << 20, 0);
        SevPlatform platform = new SevPlatform(memory, new SplittableRandom(1))) {
      platform.observe(
          new PlatformObserver() {
            @Override
            public void flipped(long address, long pages, boolean shared) {
              told.add("%x+%d %s".formatted(address, pages, shared ? "shared" : "private"));
            }
          });
      PageAttributes attributes = platform.pageAttributes().orElseThrow();
      attributes.setShared(0x3000, 1);
      attributes.setShared(0x1000, 4); // 3000 is shared already
      attributes.setShared(0x1000, 4);
      attributes.setPrivate(0x2000, 2);
      attributes.setPrivate(0x0000, 0);
      platform.observe(PlatformObserver.NONE);
      attributes.setPrivate(0x1000, 1);
    }
    assertEquals(
        List.of("3000+1 shared", "1000+2 shared", "4000+1 shared", "2000+2 private"), told);
  }
}
