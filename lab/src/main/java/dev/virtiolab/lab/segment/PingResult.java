package dev.virtiolab.lab.segment;

import java.util.Locale;

/**
 * What a series of echo requests came to.
 *
 * @param sent requests
 * @param received replies
 * @param minMillis shortest round trip; NaN if there was none
 */
public record PingResult(
    long sent, long received, double minMillis, double averageMillis, double maxMillis) {

  public double lossPercent() {
    return sent == 0 ? 100 : 100.0 * (sent - received) / sent;
  }

  /** The two last lines of ping. */
  public String describe() {
    String counts =
        String.format(
            Locale.ROOT,
            "%d packets transmitted, %d received, %.0f%% packet loss",
            sent,
            received,
            lossPercent());
    return received == 0
        ? counts
        : counts
            + String.format(
                Locale.ROOT,
                "%nrtt min/avg/max = %.3f/%.3f/%.3f ms",
                minMillis,
                averageMillis,
                maxMillis);
  }

  /** Whether every request was answered, and there was one. */
  public boolean complete() {
    return sent > 0 && received == sent;
  }
}
