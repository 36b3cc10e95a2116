package dev.virtiolab.lab.dmacheck;

import java.util.Locale;

/** Points in time as people read them. */
final class Times {
  private Times() {}

  /** In milliseconds, to the microsecond. */
  static String ms(long nanos) {
    return String.format(Locale.ROOT, "%.3f ms", nanos / 1e6);
  }
}
