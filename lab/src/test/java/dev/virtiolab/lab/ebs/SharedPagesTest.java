package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.lab.trace.MachineObserver;
import dev.virtiolab.pci.cpu.CpuMemory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** I5, on pages that are shared and taken back by hand: no firmware does it wrong. */
class SharedPagesTest {
  private static final int PAGE_BYTES = 4096;
  private static final long PAGE = 0x40_0000 >>> Ledger.PAGE_SHIFT;
  private static final long ADDRESS = PAGE << Ledger.PAGE_SHIFT;

  private final Mainboard board =
      new Mainboard(MachineConfig.of(PlatformKind.SEV).withRam(16 << 20, 16 << 20), new Wire());
  private final PageAttributes attributes = board.platform().pageAttributes().orElseThrow();
  private final CpuMemory memory = board.platform().cpuMemory();
  private final SharedPages pages = new SharedPages();

  SharedPagesTest() {
    pages.watch(board.platform());
    board.platform().observe(MachineObserver.both(pages, MachineObserver.NONE));
  }

  @AfterEach
  void close() {
    board.close();
  }

  private void share() {
    attributes.setShared(ADDRESS, 1);
    memory.fill(ADDRESS, PAGE_BYTES, (byte) 0);
    memory.putLong(ADDRESS + 64, 0x1234);
  }

  @Test
  void aPageThatIsSharedStillShowsUnlessItIsZero() {
    share();
    assertEquals(PAGE, pages.firstInPlaintext());

    memory.putLong(ADDRESS + 64, 0);
    assertEquals(-1, pages.firstInPlaintext());
  }

  @Test
  void aPageThatWasTakenBackWithoutConvertingShows() {
    share();
    attributes.setPrivate(ADDRESS, 1);

    assertEquals(PAGE, pages.firstInPlaintext());
  }

  @Test
  void aPageThatWasTakenBackAndWrittenAnewDoesNot() {
    share();
    attributes.setPrivate(ADDRESS, 1);
    memory.putLong(ADDRESS + 64, 0x1234);

    assertEquals(-1, pages.firstInPlaintext());
  }

  @Test
  void oneBlockThatWasNotConvertedIsEnough() {
    share();
    memory.putLong(ADDRESS + PAGE_BYTES - 8, 0x5678);
    attributes.setPrivate(ADDRESS, 1);
    memory.putLong(ADDRESS + 64, 0x1234);

    assertEquals(PAGE, pages.firstInPlaintext());
  }

  @Test
  void aReservedSlotIsTheKnownException() {
    attributes.setShared(ADDRESS, 1);
    pages.declareSlots();
    share();
    assertEquals(-1, pages.firstInPlaintext());
    assertEquals(-1, pages.firstUndeclared(new Ledger(new Log(), entry -> {})));

    attributes.setPrivate(ADDRESS, 1);
    assertEquals(-1, pages.firstInPlaintext());
  }

  @Test
  void aSharedPageThatNoMappingHasIsUndeclared() {
    share();

    assertEquals(PAGE, pages.firstUndeclared(new Ledger(new Log(), entry -> {})));
  }

  @Test
  void aFlipThatIsNotToldIsTheLabsOwnBug() {
    share();
    pages.check();
    pages.flipped(ADDRESS + PAGE_BYTES, 1, true);

    assertThrows(JudgeException.class, pages::check);
  }
}
