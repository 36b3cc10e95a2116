package dev.virtiolab.lab.dmacheck;

import dev.virtiolab.lab.dmacheck.Evidence.Sign;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What was seen in one run, like things together, in the order in which they were first seen. */
final class Journal {
  private record Key(Sign sign, String about) {}

  private final StepClock clock;
  private final Map<Key, Evidence> seen = new LinkedHashMap<>();

  Journal(StepClock clock) {
    this.clock = clock;
  }

  /** Notes something that is about no address; what is alike is counted. */
  void note(Sign sign, String text) {
    note(sign, sign.name(), "", "", text);
  }

  /**
   * Notes something about an address; what is alike on one page is counted.
   *
   * @param about what makes it like an earlier one, beside the page
   */
  void noteAt(Sign sign, String about, long address, String text) {
    note(sign, page(address) + about, hex(address), page(address), text);
  }

  /** As {@link #noteAt}, for what is alike on any page. */
  void noteLike(Sign sign, String about, long address, String text) {
    note(sign, about, hex(address), page(address), text);
  }

  private void note(Sign sign, String about, String address, String page, String text) {
    long now = clock.mark();
    seen.merge(
        new Key(sign, about),
        new Evidence(sign, now, 1, address, page, text),
        (first, again) -> first.again());
  }

  List<Evidence> evidence() {
    return new ArrayList<>(seen.values());
  }

  static String hex(long address) {
    return "0x" + Long.toHexString(address);
  }

  static String page(long address) {
    return hex(address & -4096L);
  }
}
