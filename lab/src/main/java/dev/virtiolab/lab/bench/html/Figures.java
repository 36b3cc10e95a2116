package dev.virtiolab.lab.bench.html;

import java.util.Locale;

/** Numbers as a person reads them: three significant digits, and a unit. */
final class Figures {
  private static final double GIGA = 1e9;
  private static final double MEGA = 1e6;
  private static final double KILO = 1e3;

  private Figures() {}

  /** Such as {@code 12.3 M}, {@code 840 k} or {@code 17}. */
  static String si(double value) {
    if (value >= GIGA) {
      return digits(value / GIGA) + " G";
    }
    if (value >= MEGA) {
      return digits(value / MEGA) + " M";
    }
    if (value >= KILO) {
      return digits(value / KILO) + " k";
    }
    return digits(value);
  }

  /** In words, such as {@code 12.3 million}. */
  static String spelled(double value) {
    return value >= MEGA
        ? digits(value / MEGA) + "\u00a0million"
        : String.format(Locale.ROOT, "%,d", Math.round(value));
  }

  /** Three significant digits, without an exponent. */
  static String digits(double value) {
    if (value == 0) {
      return "0";
    }
    if (value < 0.001) {
      return "< 0.001";
    }
    int decimals = value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0;
    return String.format(Locale.ROOT, "%." + decimals + "f", value);
  }
}
