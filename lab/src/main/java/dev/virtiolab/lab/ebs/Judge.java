package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.DriverHost;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.vtd.Reach;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Holds what happens against the invariants, by looking at the machine. */
final class Judge {
  private static final int PAGE_SHIFT = Ledger.PAGE_SHIFT;

  private final Log log;
  private final Ledger ledger;
  private final SharedPages pages;
  private Platform platform;
  private long lookedAtLedger = -1;
  private long lookedAtPages = -1;

  Judge(Log log, Ledger ledger, SharedPages pages) {
    this.log = log;
    this.ledger = ledger;
    this.pages = pages;
  }

  void watch(Platform board) {
    platform = board;
  }

  // ---- I1, while the machine runs

  /** A card's device attempted an access. */
  void accessed(Card card, long address, DmaAccess access, DmaFault outcome) {
    if (!log.isRecording() || log.isBroken(Invariant.I1)) {
      return;
    }
    long page = address >>> PAGE_SHIFT;
    if (!ledger.isOpen(card.requesterId(), page)) {
      log.step(card.name(), Step.Kind.DMA, () -> strayDma(card, address, access, outcome));
      log.breach(Invariant.I1, () -> whyStray(card, page));
    }
  }

  private String strayDma(Card card, long address, DmaAccess access, DmaFault outcome) {
    return "%s page 0x%x (%s): %s"
        .formatted(
            access == DmaAccess.READ ? "reads" : "writes",
            address >>> PAGE_SHIFT << PAGE_SHIFT,
            card.touching(),
            outcome != DmaFault.NONE
                ? "refused, " + outcome
                : meetsCiphertext(address) ? "it meets ciphertext" : "it succeeds");
  }

  private boolean meetsCiphertext(long address) {
    return platform
        .pageAttributes()
        .map(attributes -> isRam(address) && !attributes.isShared(address))
        .orElse(false);
  }

  private boolean isRam(long address) {
    return platform.memory().regions().stream()
        .anyMatch(
            region ->
                address >= region.base() && address - region.base() < region.segment().byteSize());
  }

  private String whyStray(Card card, long page) {
    Ledger.Entry last = ledger.lastAt(card.requesterId(), page);
    return last == null
        ? "%s, the device of %s, is live and uses page 0x%x, which was never mapped"
            .formatted(card.name(), card.driver(), page << PAGE_SHIFT)
        : "%s takes down %s while %s, the device of %s, is live: it uses page 0x%x still"
            .formatted(
                last.takenDownBy.equals(card.driver()) ? "the driver itself" : last.takenDownBy,
                last,
                card.name(),
                card.driver(),
                page << PAGE_SHIFT);
  }

  /** In a gap: what live devices can reach beyond what is declared. */
  void look(List<Card> cards) {
    if (log.isBroken(Invariant.I1)) {
      return;
    }
    for (Card card : cards) {
      if (card.isLive()) {
        String excess = excess(card);
        if (excess != null) {
          log.step(card.name(), Step.Kind.DMA, () -> "is live, and reaches " + excess);
          log.breach(
              Invariant.I1,
              () ->
                  "%s, the device of %s, is live and reaches %s"
                      .formatted(card.name(), card.driver(), excess));
          return;
        }
      }
    }
  }

  /** What the card reaches beyond its open mappings; null if it is nothing. */
  private String excess(Card card) {
    if (platform instanceof VtdPlatform vtd) {
      return excess(card, vtd);
    }
    if (platform.pageAttributes().isEmpty()) {
      return "all of memory: nothing stands between";
    }
    if (lookedAtLedger == ledger.version() && lookedAtPages == pages.version()) {
      return null;
    }
    lookedAtLedger = ledger.version();
    lookedAtPages = pages.version();
    long page = pages.firstUndeclared(ledger);
    return page < 0
        ? null
        : "page 0x%x, which is shared and which no mapping declares".formatted(page << PAGE_SHIFT);
  }

  private String excess(Card card, VtdPlatform vtd) {
    long[] found = {-1};
    Reach reach =
        vtd.reach(
            card.requesterId(),
            (busPage, memoryPage, count, readable, writable) -> {
              for (long page = busPage; page < busPage + count && found[0] < 0; page++) {
                if (!ledger.isOpen(card.requesterId(), page)) {
                  found[0] = page;
                }
              }
            });
    if (reach != Reach.PAGES) {
      return "all of memory: translation is off";
    }
    return found[0] < 0
        ? null
        : "page 0x%x, which its tables still give it".formatted(found[0] << PAGE_SHIFT);
  }

  // ---- the rest, at hand-off

  /**
   * The operating system has the machine.
   *
   * @param acceptedKey the key that the last call was made with
   * @param acceptedMap the map that went with it
   */
  void handOff(
      DriverHost host, List<Card> cards, long acceptedKey, List<MemoryDescriptor> acceptedMap) {
    pages.check();
    int unknown = host.mappings().openMappings() - ledger.open().size();
    if (unknown < 0) {
      throw new JudgeException(
          "open mappings: driver=%d ledger=%d"
              .formatted(host.mappings().openMappings(), ledger.open().size()));
    }
    noMappingIsOpen(unknown);
    if (host.core().memoryMapKey() != acceptedKey) {
      log.breach(
          Invariant.I3,
          () ->
              "the key of the memory map is %d; the one that was accepted is %d"
                  .formatted(host.core().memoryMapKey(), acceptedKey));
    } else if (!host.core().memoryMap().equals(acceptedMap)) {
      throw new JudgeException("the memory map changed and its key did not");
    }
    everyDeviceIsQuiet(cards);
    nothingShowsInPlaintext();
    everythingWrittenIsReadable();
  }

  /**
   * @param unknown how many are open that a driver made by the IOMMU protocol itself
   */
  private void noMappingIsOpen(int unknown) {
    if (!ledger.open().isEmpty()) {
      Ledger.Entry first = ledger.open().getFirst();
      int others = ledger.open().size() - 1;
      String text = first + (others == 0 ? "" : " and %d more".formatted(others));
      log.breach(Invariant.I2, () -> "open at hand-off: " + text);
      log.breach(Invariant.I9, () -> "never taken down: " + text);
    }
    if (unknown > 0) {
      String text = "mappings that were made around PciIo: " + unknown;
      log.breach(Invariant.I2, () -> "open at hand-off: " + text);
      log.breach(Invariant.I9, () -> "never taken down: " + text);
    }
    long page = pages.firstUndeclared(ledger);
    if (page >= 0) {
      log.breach(
          Invariant.I2,
          () ->
              "page 0x%x is shared at hand-off, and no mapping declares it".formatted(page << 12));
    }
  }

  private void everyDeviceIsQuiet(List<Card> cards) {
    for (Card card : cards) {
      String why = card.whyNotQuiet();
      if (why != null) {
        log.breach(
            Invariant.I4,
            () ->
                "%s, the device of %s, is not quiet: %s"
                    .formatted(card.name(), card.driver(), why));
      }
    }
  }

  private void nothingShowsInPlaintext() {
    long page = pages.firstInPlaintext();
    if (page >= 0) {
      log.breach(
          Invariant.I5,
          () -> "page 0x%x was shared, and an outsider reads it still".formatted(page << 12));
    }
  }

  private void everythingWrittenIsReadable() {
    for (Ledger.Entry entry : ledger.all()) {
      if (!entry.wasWritten() || log.isBroken(Invariant.I6)) {
        continue;
      }
      byte[] seen = new byte[(int) entry.bytes];
      platform.cpuMemory().read(entry.hostAddress, MemorySegment.ofArray(seen), 0, seen.length);
      int lost = entry.firstLost(seen);
      if (lost >= 0) {
        log.breach(
            Invariant.I6,
            () ->
                "what the device wrote at offset %d of %s, the guest cannot read there"
                    .formatted(lost, entry));
      }
    }
  }
}
