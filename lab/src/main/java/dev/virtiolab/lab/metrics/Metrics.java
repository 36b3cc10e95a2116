package dev.virtiolab.lab.metrics;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;

/**
 * What can be read, by name: each family with its help, its type and its samples, which are read
 * when {@link #text()} is asked for. Registered by one thread, before anybody reads.
 */
public final class Metrics {
  /** The media type of {@link #text()}. */
  public static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private static final Pattern NAME = Pattern.compile("[a-zA-Z_:][a-zA-Z0-9_:]*");
  private static final Pattern LABEL = Pattern.compile("(?!__)[a-zA-Z_][a-zA-Z0-9_]*");

  private record Sample(String labels, LongSupplier value) {}

  /** Samples of one name. */
  public static final class Family {
    private final String name;
    private final String type;
    private final String help;
    private final Map<String, Sample> samples = new LinkedHashMap<>();

    private Family(String name, String type, String help) {
      this.name = name;
      this.type = type;
      this.help = help;
    }

    /**
     * Adds a sample.
     *
     * @param value read by any thread, whenever somebody asks
     * @param namesAndValues of the labels, in turn
     * @throws IllegalArgumentException if a label has no such name, or the sample is there already
     */
    public Family sample(LongSupplier value, String... namesAndValues) {
      List<String> pairs = new ArrayList<>();
      for (int i = 0; i < namesAndValues.length; i += 2) {
        if (!LABEL.matcher(namesAndValues[i]).matches()) {
          throw new IllegalArgumentException("no name of a label: " + namesAndValues[i]);
        }
        pairs.add(namesAndValues[i] + "=\"" + escape(namesAndValues[i + 1], true) + "\"");
      }
      String labels = pairs.isEmpty() ? "" : "{" + String.join(",", pairs) + "}";
      if (samples.putIfAbsent(labels, new Sample(labels, value)) != null) {
        throw new IllegalArgumentException(name + labels + " is there already");
      }
      return this;
    }
  }

  private final Map<String, Family> families = new LinkedHashMap<>();

  /** Without any. */
  public Metrics() {}

  /**
   * Samples that only grow.
   *
   * @param name ends in {@code _total}
   */
  public Family counter(String name, String help) {
    if (!name.endsWith("_total")) {
      throw new IllegalArgumentException("a counter's name ends in _total, unlike " + name);
    }
    return add(name, "counter", help);
  }

  /** Samples that rise and fall. */
  public Family gauge(String name, String help) {
    return add(name, "gauge", help);
  }

  private Family add(String name, String type, String help) {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException("no name of a metric: " + name);
    }
    Family family = new Family(name, type, help);
    if (families.putIfAbsent(name, family) != null) {
      throw new IllegalArgumentException(name + " is there already");
    }
    return family;
  }

  /** All of it, as it is now. */
  public String text() {
    StringBuilder text = new StringBuilder();
    for (Family family : families.values()) {
      text.append("# HELP ").append(family.name).append(' ');
      text.append(escape(family.help, false)).append('\n');
      text.append("# TYPE ").append(family.name).append(' ').append(family.type).append('\n');
      for (Sample sample : family.samples.values()) {
        text.append(family.name).append(sample.labels).append(' ');
        text.append(sample.value.getAsLong()).append('\n');
      }
    }
    return text.toString();
  }

  private static String escape(String text, boolean quoted) {
    String escaped = text.replace("\\", "\\\\").replace("\n", "\\n");
    return quoted ? escaped.replace("\"", "\\\"") : escaped;
  }
}
