package dev.virtiolab.integration.ebs;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** {@code expected-matrix.txt}: what was worked out by hand for one driver at a time. */
final class ExpectedMatrix {
  /**
   * A line of the matrix.
   *
   * @param outcome verdict and invariants, as {@code unsafe I1,I9} or {@code safe -}
   */
  record Row(String platform, String policy, String driver, String outcome) {}

  /** Who is asked what comes of a cell. */
  @FunctionalInterface
  interface Finder {
    /** Verdict and invariants, as in {@link Row#outcome}. */
    String outcome(String platform, String policy, String driver);
  }

  private ExpectedMatrix() {}

  static List<Row> rows() {
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(
                ExpectedMatrix.class.getResourceAsStream("expected-matrix.txt"),
                StandardCharsets.US_ASCII))) {
      return lines.lines().filter(line -> !line.startsWith("#")).map(ExpectedMatrix::row).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Row row(String line) {
    String[] words = line.split(" ");
    if (words.length != 5) {
      throw new IllegalStateException("line=" + line);
    }
    return new Row(words[0], words[1], words[2], words[3] + " " + words[4]);
  }

  /** A line for each cell of a platform where {@code finder} finds something else. */
  static List<String> differences(String platform, Finder finder) {
    List<String> differences = new ArrayList<>();
    for (Row row : rows()) {
      if (row.platform().equals(platform)) {
        String found = finder.outcome(platform, row.policy(), row.driver());
        if (!found.equals(row.outcome())) {
          differences.add(
              "%s %s %s: expected %s, found %s"
                  .formatted(platform, row.policy(), row.driver(), row.outcome(), found));
        }
      }
    }
    return differences;
  }
}
