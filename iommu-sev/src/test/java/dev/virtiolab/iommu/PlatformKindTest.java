package dev.virtiolab.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PlatformKindTest {
  @Test
  void everyKindIsParsedFromItsLabelAndMakesAPlatformOfThatName() {
    for (PlatformKind kind : PlatformKind.values()) {
      assertSame(kind, PlatformKind.parse(kind.label()));
      try (PhysicalMemory memory = PhysicalMemory.allocate(8 * 4096);
          Platform platform = Platforms.create(kind, memory, new SplittableRandom(1))) {
        assertEquals(kind.label(), platform.name());
        assertSame(memory, platform.memory());
        assertEquals(kind != PlatformKind.PC, platform.requiresAccessPlatform());
        assertEquals(kind == PlatformKind.SEV, platform.pageAttributes().isPresent());
        assertEquals(kind == PlatformKind.NONCOHERENT, platform.cpuCache().isPresent());
        assertEquals(kind == PlatformKind.NONCOHERENT, platform.dmaOffset() != 0);
      }
    }
  }

  @Test
  void anUnknownPlatformIsRefusedWithTheNamesOfTheKnown() {
    UnknownPlatformException refused =
        assertThrows(UnknownPlatformException.class, () -> PlatformKind.parse("tdx"));
    assertEquals(
        "unknown platform 'tdx'; known are: pc, vtd, noncoherent, sev", refused.getMessage());
    assertEquals("tdx", refused.asked());
    assertEquals(List.of("pc", "vtd", "noncoherent", "sev"), refused.known());
  }
}
