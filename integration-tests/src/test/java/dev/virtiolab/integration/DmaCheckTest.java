package dev.virtiolab.integration;

import static dev.virtiolab.firmware.mistake.Mistake.*;
import static dev.virtiolab.lab.dmacheck.Verdict.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.dmacheck.Cell;
import dev.virtiolab.lab.dmacheck.DmaCheck;
import dev.virtiolab.lab.dmacheck.Evidence;
import dev.virtiolab.lab.dmacheck.Evidence.Sign;
import dev.virtiolab.lab.dmacheck.Verdict;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Which platform catches which driver mistake: what follows from what the platforms are, written
 * down here by hand, against what happens when the drivers run.
 */
class DmaCheckTest {
  private static final long SEED = 7;

  /**
   * pc: every address is its own device address and everything is reached all the time, so nothing
   * but an observer can see a mistake. Using the host address is no mistake here that could be
   * seen: it is the device address.
   */
  private static final Map<Mistake, Verdict> PC =
      Map.of(
          NONE, WORKS,
          NO_MAP, UNNOTICED,
          HOST_ADDRESS, HARMLESS,
          EARLY_UNMAP, UNNOTICED,
          NO_UNMAP, UNNOTICED,
          FOREIGN_COMMON_BUFFER, UNNOTICED,
          READ_FOR_WRITE, UNNOTICED,
          SHORT_MAP, UNNOTICED);

  /**
   * sev, with OVMF's slots: the device may reach every page, but in private ones it finds
   * ciphertext, and the guest finds garbage where the device wrote. Map's work is a copy into a
   * shared page, and Unmap's a copy back: what was not copied is not there.
   *
   * <ul>
   *   <li>NO_MAP: the rings lie in slots, which are shared from AllocateBuffer on, and work by
   *       luck; the frames are private.
   *   <li>HOST_ADDRESS: the rings are in place; a frame's host address is private.
   *   <li>EARLY_UNMAP: Unmap makes the copy private again, or zeroes it.
   *   <li>NO_UNMAP: the guest never gets the copy of what was received. That FreeBuffer then
   *       refuses the rings comes later.
   *   <li>FOREIGN_COMMON_BUFFER: no stash, no place to decrypt: Map refuses it.
   *   <li>READ_FOR_WRITE: Unmap of a read copies nothing back.
   *   <li>SHORT_MAP: the last 12 bytes are not copied.
   * </ul>
   */
  private static final Map<Mistake, Verdict> SEV =
      Map.of(
          NONE, WORKS,
          NO_MAP, GARBLED,
          HOST_ADDRESS, GARBLED,
          EARLY_UNMAP, GARBLED,
          NO_UNMAP, GARBLED,
          FOREIGN_COMMON_BUFFER, REFUSED,
          READ_FOR_WRITE, GARBLED,
          SHORT_MAP, GARBLED);

  /**
   * noncoherent: a bus address is the CPU's plus 2 GiB, and the device sees memory without the
   * cache. Map writes lines back and Unmap throws them away; a buffer that the device writes and
   * that shares its last line with others is bounced.
   *
   * <ul>
   *   <li>NO_MAP, HOST_ADDRESS: no memory answers at the CPU's address of a ring above 4 GiB.
   *   <li>EARLY_UNMAP: Map has written the frame back, Unmap of a read does nothing: by luck.
   *   <li>NO_UNMAP: the CPU goes on seeing the lines that it had, or never gets the bounced bytes.
   *   <li>FOREIGN_COMMON_BUFFER: the pages are cached, so that they cannot be shared all the time.
   *   <li>READ_FOR_WRITE: Unmap of a read throws no lines away, and what is seen is from before.
   *   <li>SHORT_MAP: the last lines are not written back.
   * </ul>
   */
  private static final Map<Mistake, Verdict> NONCOHERENT =
      Map.of(
          NONE, WORKS,
          NO_MAP, FAULT,
          HOST_ADDRESS, FAULT,
          EARLY_UNMAP, UNNOTICED,
          NO_UNMAP, GARBLED,
          FOREIGN_COMMON_BUFFER, REFUSED,
          READ_FOR_WRITE, GARBLED,
          SHORT_MAP, GARBLED);

  /**
   * vtd: a device reaches only what is mapped, in its direction, by whole pages. A frame neither
   * begins nor ends with a page: it is bounced, so that its neighbours stay out of reach.
   *
   * <ul>
   *   <li>NO_MAP: default-deny.
   *   <li>HOST_ADDRESS: the rings are whole pages and mapped in place, but frames are not where the
   *       driver says.
   *   <li>EARLY_UNMAP: the entry is gone, and so is what the IOTLB had of it.
   *   <li>NO_UNMAP: the guest never gets the bounced bytes of what was received.
   *   <li>FOREIGN_COMMON_BUFFER: any whole pages can be mapped, whoever allocated them.
   *   <li>READ_FOR_WRITE: the entry has no write permission.
   *   <li>SHORT_MAP: the last 12 bytes are not copied; they lie in a page that is mapped.
   * </ul>
   */
  private static final Map<Mistake, Verdict> VTD =
      Map.of(
          NONE, WORKS,
          NO_MAP, FAULT,
          HOST_ADDRESS, FAULT,
          EARLY_UNMAP, FAULT,
          NO_UNMAP, GARBLED,
          FOREIGN_COMMON_BUFFER, UNNOTICED,
          READ_FOR_WRITE, FAULT,
          SHORT_MAP, GARBLED);

  private static final Map<PlatformKind, Map<Mistake, Verdict>> EXPECTED =
      Map.of(
          PlatformKind.PC, PC,
          PlatformKind.VTD, VTD,
          PlatformKind.NONCOHERENT, NONCOHERENT,
          PlatformKind.SEV, SEV);

  static Stream<Arguments> cells() {
    return Arrays.stream(PlatformKind.values())
        .flatMap(
            platform ->
                Arrays.stream(Mistake.values()).map(mistake -> Arguments.of(mistake, platform)));
  }

  @ParameterizedTest
  @MethodSource("cells")
  void theTable(Mistake mistake, PlatformKind platform) {
    Cell cell = run(mistake, platform, BounceSlots.OVMF);

    assertEquals(EXPECTED.get(platform).get(mistake), cell.verdict(), cell::toString);
  }

  @Test
  void withoutSlotsTheRingsOfADriverThatNeverMapsAreCiphertextToTheDevice() {
    Cell cell = run(NO_MAP, PlatformKind.SEV, BounceSlots.NONE);

    assertEquals(FAULT, cell.verdict(), cell::toString);
    assertEquals(List.of(), seen(cell, Sign.DMA_FAULT), "nothing is refused under SEV");
    assertEquals(1, seen(cell, Sign.NEEDS_RESET).size(), cell::toString);
  }

  /** A driver that never maps fails on each platform but one, on each in its own way. */
  @Test
  void aDriverThatNeverMapsFailsOnEachPlatformInItsOwnWay() {
    Cell pc = run(NO_MAP, PlatformKind.PC, BounceSlots.OVMF);
    assertEquals(List.of(), seen(pc, Sign.SENT_WRONG), "on a PC every frame goes out");
    assertEquals(List.of(), seen(pc, Sign.RECEIVED_WRONG), "and comes in");

    Cell vtd = run(NO_MAP, PlatformKind.VTD, BounceSlots.OVMF);
    // Nothing was ever mapped for any device of the bus: the unit does not even find its tables.
    String refused = seen(vtd, Sign.DMA_FAULT).getFirst().text();
    assertTrue(refused.contains("NOT_MAPPED, recorded as ROOT_NOT_PRESENT (0x1)"), refused);

    Cell noncoherent = run(NO_MAP, PlatformKind.NONCOHERENT, BounceSlots.OVMF);
    String nothingThere = seen(noncoherent, Sign.DMA_FAULT).getFirst().text();
    assertTrue(nothingThere.contains("NO_MEMORY"), nothingThere);

    Cell sev = run(NO_MAP, PlatformKind.SEV, BounceSlots.OVMF);
    assertEquals(List.of(), seen(sev, Sign.DMA_FAULT), "nothing is refused, but all is ciphertext");
    assertTrue(
        seen(sev, Sign.STRAY).stream().anyMatch(stray -> stray.text().contains("which is private")),
        sev::toString);
    // All four frames, both ways.
    assertEquals(4, seen(sev, Sign.SENT_WRONG).getFirst().times());
    assertEquals(4, seen(sev, Sign.RECEIVED_WRONG).getFirst().times());
  }

  @Test
  void anEarlyUnmapIsToldWithAddressPageWhoAndWhen() {
    Cell cell = run(EARLY_UNMAP, PlatformKind.PC, BounceSlots.OVMF);

    Evidence stray = seen(cell, Sign.STRAY).getFirst();
    assertTrue(
        stray
            .text()
            .matches(
                "00:04\\.0 read (0x[0-9a-f]+), page (0x[0-9a-f]+000); last mapped by 00:04\\.0"
                    + " BusMasterRead at \\d+\\.\\d{3} ms, unmapped at \\d+\\.\\d{3} ms"),
        stray.text());
    assertTrue(stray.text().contains("read " + stray.address() + ","));
    assertTrue(stray.text().contains("page " + stray.page() + ";"));
  }

  @Test
  void wrongBytesAreToldByWhereAndHowMany() {
    Cell cell = run(SHORT_MAP, PlatformKind.SEV, BounceSlots.OVMF);

    String text = seen(cell, Sign.SENT_WRONG).getFirst().text();
    // 12 bytes of header were not counted in, so the last 12 of the frame are those missing.
    assertTrue(
        text.startsWith("frame 1 on the wire: 12 of 60 bytes differ, the first at 48:"), text);
  }

  @Test
  void everyByteBeyondAMappingIsSeenEvenWithinItsPage() {
    Cell cell = run(SHORT_MAP, PlatformKind.PC, BounceSlots.OVMF);

    assertTrue(
        seen(cell, Sign.STRAY).stream()
            .anyMatch(stray -> stray.text().contains("mapped only up to")),
        cell::toString);
  }

  @Test
  void aLeakIsToldWithWhatTheDeviceStillSees() {
    Cell cell = run(NO_UNMAP, PlatformKind.SEV, BounceSlots.NONE);

    List<Evidence> leaks = seen(cell, Sign.LEAK);
    assertEquals(3, leaks.size(), "one line for each operation: " + leaks);
    for (Evidence leak : leaks) {
      assertTrue(leak.text().endsWith("the device sees it"), leak.text());
    }
  }

  @ParameterizedTest
  @MethodSource("cells")
  void theSameSeedGivesTheSameRun(Mistake mistake, PlatformKind platform) {
    assertEquals(
        run(mistake, platform, BounceSlots.OVMF), run(mistake, platform, BounceSlots.OVMF));
  }

  private static Cell run(Mistake mistake, PlatformKind platform, BounceSlots slots) {
    return new DmaCheck(SEED, slots).run(mistake, platform);
  }

  private static List<Evidence> seen(Cell cell, Sign sign) {
    return cell.evidence().stream().filter(evidence -> evidence.sign() == sign).toList();
  }
}
