package dev.virtiolab.lab.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads Prometheus' text format 0.0.4, and is strict about it. */
final class Exposition {
  private static final Pattern COMMENT =
      Pattern.compile("# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)");
  private static final Pattern SAMPLE =
      Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(.*)})? (-?\\d+(?:\\.\\d+)?)");
  private static final Pattern LABEL =
      Pattern.compile("\\G([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\[\\\\\"n])*)\"(,|$)");

  record Family(String name, String help, String type, Map<Map<String, String>, Double> samples) {}

  private Exposition() {}

  static Map<String, Family> parse(String text) {
    assertTrue(text.endsWith("\n"), "the last line has no end");
    Map<String, Family> families = new LinkedHashMap<>();
    Map<String, String> helps = new HashMap<>();
    String last = null;
    for (String line : text.split("\n")) {
      if (line.startsWith("#")) {
        Matcher comment = COMMENT.matcher(line);
        assertTrue(comment.matches(), line);
        String name = comment.group(2);
        if (comment.group(1).equals("HELP")) {
          assertNull(helps.put(name, unescape(comment.group(3))), "twice: " + line);
        } else {
          assertTrue(comment.group(3).matches("counter|gauge"), line);
          Family family =
              new Family(name, helps.get(name), comment.group(3), new LinkedHashMap<>());
          assertNotNull(family.help, "HELP comes before TYPE: " + line);
          assertNull(families.put(name, family), "twice: " + line);
          last = name;
        }
        continue;
      }
      Matcher sample = SAMPLE.matcher(line);
      assertTrue(sample.matches(), line);
      assertEquals(last, sample.group(1), "a family's lines are together: " + line);
      Double value = Double.valueOf(sample.group(3));
      assertNull(
          families.get(last).samples.put(labels(sample.group(2), line), value), "twice: " + line);
    }
    for (Family family : families.values()) {
      assertTrue(!family.samples.isEmpty(), "no samples: " + family.name);
    }
    return families;
  }

  private static Map<String, String> labels(String text, String line) {
    Map<String, String> labels = new HashMap<>();
    if (text == null) {
      return labels;
    }
    Matcher label = LABEL.matcher(text);
    int end = 0;
    while (end < text.length()) {
      assertTrue(label.find(), line);
      assertNull(labels.put(label.group(1), unescape(label.group(2))), line);
      end = label.end();
    }
    return labels;
  }

  private static String unescape(String text) {
    StringBuilder plain = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c != '\\') {
        plain.append(c);
        continue;
      }
      i++;
      plain.append(text.charAt(i) == 'n' ? '\n' : text.charAt(i));
    }
    return plain.toString();
  }
}
