package dev.virtiolab.lab.cli;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** Plain text in columns, for a terminal {@value #WIDTH} characters wide. */
final class Text {
  static final int WIDTH = 100;

  private Text() {}

  /** Fills up with spaces on the right. */
  static String padded(String text, int width) {
    return text + " ".repeat(Math.max(0, width - text.length()));
  }

  /** The length of the longest; 0 if there are none. */
  static int longest(Collection<String> words) {
    return words.stream().mapToInt(String::length).max().orElse(0);
  }

  /**
   * Breaks a text at spaces, so that no line is longer than {@link #WIDTH}, but for a word that is.
   *
   * @param lead in front of the first line; further ones are indented by as much
   */
  static List<String> wrapped(String lead, String text) {
    String indent = " ".repeat(lead.length());
    List<String> lines = new ArrayList<>();
    StringBuilder line = new StringBuilder(lead);
    for (String word : text.strip().split("\\s+")) {
      boolean first = line.length() == indent.length();
      if (!first && line.length() + 1 + word.length() > WIDTH) {
        lines.add(line.toString().stripTrailing());
        line.setLength(0);
        line.append(indent);
        first = true;
      }
      line.append(first ? "" : " ").append(word);
    }
    lines.add(line.toString().stripTrailing());
    return lines;
  }
}
