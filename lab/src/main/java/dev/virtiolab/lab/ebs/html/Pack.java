package dev.virtiolab.lab.ebs.html;

import dev.virtiolab.lab.ebs.Breach;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import dev.virtiolab.lab.html.Markup;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Histories as the page's script reads them. Most steps of most histories are the steps of others,
 * too, so each text and each step is told once, and a history is a list of numbers:
 *
 * <pre>
 *   verdicts    [word, sign, meaning] ...
 *   invariants  [name, meaning] ...
 *   kinds       word ...
 *   texts       text ...
 *   steps       [tpl, actor, kind, text, live, open mappings, breaks] ...
 *                actor, text, live: of texts (live: addresses with spaces between);
 *                breaks: bit n for the n-th invariant
 *   cells       {key: {platform, policy, drivers, verdict, orders, run, failing,
 *                      replay, cut, reason, breaches: [invariant, step, text] ...,
 *                      steps: number of a step, or -n for n steps that are left out ...}}
 * </pre>
 *
 * <p>A cell without a history has nothing from {@code replay} on.
 */
final class Pack {
  /** Of a longer history the beginning, the end and what breaks are shown. */
  static final int MAX_STEPS = 600;

  /** Likewise of one that was cut, which says the same over and over. */
  static final int MAX_STEPS_OF_CUT = 120;

  private final String again;
  private final Settings settings;
  private final Map<String, Integer> texts = new LinkedHashMap<>();
  private final Map<String, Integer> steps = new LinkedHashMap<>();
  private final Map<String, String> cells = new LinkedHashMap<>();

  /**
   * @param again what {@code --replay} is said to
   * @param settings of all cells
   */
  Pack(String again, Settings settings) {
    this.again = again;
    this.settings = settings;
  }

  /** A cell in which nothing was run. */
  void add(Cell cell) {
    cells.put(Look.key(cell), about(cell) + "}");
  }

  /** A cell and the history that stands for it. */
  void add(Cell cell, Timeline timeline) {
    History history = timeline.history();
    StringBuilder json = new StringBuilder(about(cell));
    json.append(",\"replay\":").append(string(again + " --replay " + Look.quoted(history.id())));
    history.cut().ifPresent(cut -> json.append(",\"cut\":").append(string(cut)));
    json.append(",\"reason\":").append(string(timeline.reason()));
    json.append(",\"breaches\":[");
    String comma = "";
    for (Breach breach : history.breaches()) {
      json.append(comma)
          .append("[%s,%s,".formatted(breach.invariant().ordinal(), breach.step()))
          .append(string(breach.text()))
          .append(']');
      comma = ",";
    }
    json.append("],\"steps\":[");
    appendSteps(json, timeline.steps(), history.cut().isPresent() ? MAX_STEPS_OF_CUT : MAX_STEPS);
    cells.put(Look.key(cell), json.append("]}").toString());
  }

  private static String about(Cell cell) {
    return "{\"platform\":%s,\"policy\":%s,\"drivers\":%s,\"verdict\":%s,\"orders\":%s,\"run\":%s,\"failing\":%s"
        .formatted(
            string(cell.platform().label()),
            string(cell.policy()),
            strings(cell.drivers()),
            cell.verdict().ordinal(),
            cell.orders(),
            cell.histories().size(),
            cell.histories().stream().filter(History::fails).count());
  }

  private void appendSteps(StringBuilder json, List<Step> all, int most) {
    int last = most / 6;
    int leftOut = 0;
    String comma = "";
    for (int i = 0; i < all.size(); i++) {
      boolean shown =
          all.size() <= most
              || i < most - last
              || i >= all.size() - last
              || !all.get(i).breaks().isEmpty();
      if (!shown) {
        leftOut++;
        continue;
      }
      if (leftOut > 0) {
        json.append(comma).append(-leftOut);
        leftOut = 0;
      }
      json.append(comma).append(number(all.get(i)));
      comma = ",";
    }
  }

  private int number(Step step) {
    int breaks = 0;
    for (Invariant invariant : step.breaks()) {
      breaks |= 1 << invariant.ordinal();
    }
    String row =
        "[%s,%s,%s,%s,%s,%s,%s]"
            .formatted(
                step.tpl(),
                number(step.actor()),
                step.kind().ordinal(),
                number(step.text()),
                number(String.join(" ", step.live())),
                step.openMappings(),
                breaks);
    return steps.computeIfAbsent(row, absent -> steps.size());
  }

  private int number(String text) {
    return texts.computeIfAbsent(text, absent -> texts.size());
  }

  /** All of it: one object, with a line for each list, without a character of markup. */
  String json() {
    StringBuilder json = new StringBuilder("{\"verdicts\":[");
    String comma = "";
    for (Verdict verdict : Verdict.values()) {
      json.append(comma)
          .append(strings(List.of(verdict.word(), Look.sign(verdict), verdict.meaning(settings))));
      comma = ",";
    }
    json.append("],\n\"invariants\":[");
    comma = "";
    for (Invariant invariant : Invariant.values()) {
      json.append(comma).append(strings(List.of(invariant.name(), invariant.meaning())));
      comma = ",";
    }
    json.append("],\n\"kinds\":[");
    comma = "";
    for (Step.Kind kind : Step.Kind.values()) {
      json.append(comma).append(string(kind.word()));
      comma = ",";
    }
    json.append("],\n\"texts\":").append(strings(texts.keySet()));
    json.append(",\n\"steps\":[").append(String.join(",", steps.keySet()));
    json.append("],\n\"cells\":{");
    comma = "\n";
    for (Map.Entry<String, String> cell : cells.entrySet()) {
      json.append(comma).append(string(cell.getKey())).append(':').append(cell.getValue());
      comma = ",\n";
    }
    return json.append("}}").toString();
  }

  private static String strings(Collection<String> all) {
    StringBuilder json = new StringBuilder("[");
    String comma = "";
    for (String one : all) {
      json.append(comma).append(string(one));
      comma = ",";
    }
    return json.append(']').toString();
  }

  /** A string in which neither an HTML nor an XML parser finds an end, a tag or an entity. */
  private static String string(String text) {
    // As markup has it, so that a name is the same in both.
    String readable = Markup.readable(text);
    StringBuilder json = new StringBuilder(readable.length() + 2).append('"');
    for (int i = 0; i < readable.length(); i++) {
      char c = readable.charAt(i);
      switch (c) {
        case '"' -> json.append("\\\"");
        case '\\' -> json.append("\\\\");
        case '<', '>', '&', '\n', '\t' -> json.append("\\u%04x".formatted((int) c));
        default -> json.append(c);
      }
    }
    return json.append('"').toString();
  }
}
