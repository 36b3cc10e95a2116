package dev.virtiolab.firmware.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.IoMmu;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Open mappings, the latest first, and how long a closed one is left alone. */
class MappingPoolTest {
  private static final class Mapping extends PooledMapping<Mapping> {
    private int forgotten;

    @Override
    protected void forget() {
      forgotten++;
    }
  }

  private final MappingPool<Mapping> pool = new MappingPool<>(Mapping.class, Mapping::new);

  private Mapping opened() {
    Mapping mapping = pool.acquire();
    pool.open(mapping);
    return mapping;
  }

  private void closeAndRelease(Mapping mapping) {
    pool.close(mapping);
    pool.release(mapping);
  }

  @Test
  void theNewestIsTheOneThatWasOpenedLastAndIsOpenStill() {
    Mapping first = opened();
    Mapping second = opened();
    Mapping third = opened();
    assertSame(third, pool.newest());
    pool.close(second);
    assertSame(third, pool.newest());
    pool.close(third);
    assertSame(first, pool.newest());
    assertEquals(1, pool.openCount());
    pool.close(first);
    assertNull(pool.newest());
    assertEquals(0, pool.openCount());
  }

  @Test
  void whatIsTakenDownGoesTheLatestFirstAndIsToldWhenItIsGone() {
    Mapping first = opened();
    Mapping second = opened();
    List<DmaMapping> told = new ArrayList<>();
    pool.takeDown(
        this::closeAndRelease,
        new DmaObserver() {
          @Override
          public void tornDown(DmaMapping mapping) {
            told.add(mapping);
            assertEquals(2 - told.size(), pool.openCount());
          }
        });
    assertEquals(List.of(second, first), told);
  }

  @Test
  void onlyAnOpenMappingOfItsOwnIsFound() {
    Mapping mapping = pool.acquire();
    assertNull(pool.find(mapping), "not open yet");
    pool.open(mapping);
    assertSame(mapping, pool.find(mapping));
    assertNull(new MappingPool<>(Mapping.class, Mapping::new).find(mapping), "another pool's");
    assertNull(pool.find(null));
    assertNull(pool.find(new DmaMapping() {}));
    pool.close(mapping);
    assertNull(pool.find(mapping));
  }

  @Test
  void aClosedMappingIsNotUsedAgainBeforeManyOthersWereClosed() {
    Mapping first = opened();
    closeAndRelease(first);
    assertEquals(1, first.forgotten);
    List<Mapping> others = new ArrayList<>();
    for (int i = 0; i < MappingPool.QUARANTINE; i++) {
      Mapping other = opened();
      assertNotSame(first, other);
      others.add(other);
      closeAndRelease(other);
    }
    assertSame(first, pool.acquire());
    assertEquals(MappingPool.QUARANTINE, others.stream().distinct().count());
  }

  @Test
  void oneThatIsNotReleasedIsNeverUsedAgain() {
    Mapping kept = opened();
    pool.close(kept);
    for (int i = 0; i < 3 * MappingPool.QUARANTINE; i++) {
      Mapping other = opened();
      assertNotSame(kept, other);
      closeAndRelease(other);
    }
    assertEquals(0, kept.forgotten);
  }

  @Test
  void anOperationStandsForAnAccess() {
    for (DmaOperation operation : DmaOperation.values()) {
      Mapping mapping = new Mapping();
      mapping.operation = operation;
      boolean reads = operation.dualAddress() == DmaOperation.BUS_MASTER_READ64;
      boolean writes = operation.dualAddress() == DmaOperation.BUS_MASTER_WRITE64;
      assertEquals(reads, mapping.isRead());
      assertEquals(writes, mapping.isWrite());
      long both = IoMmu.ACCESS_READ | IoMmu.ACCESS_WRITE;
      assertEquals(
          reads ? IoMmu.ACCESS_READ : writes ? IoMmu.ACCESS_WRITE : both, mapping.impliedAccess());
      assertTrue(!(reads && writes));
    }
  }
}
