package dev.virtiolab.lab.ebs.html;

import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Verdict;
import dev.virtiolab.lab.html.Markup;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** How verdicts, cells and histories are named on the page. */
final class Look {
  /** What no shell reads as anything else. */
  private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9/+._=-]+");

  private Look() {}

  /** Tells verdicts apart for whoever does not tell their colours. */
  static String sign(Verdict verdict) {
    return switch (verdict) {
      case SAFE -> "\u2713";
      case UNSAFE -> "\u2717";
      case ORDER_DEPENDENT -> "\u21c4";
      case DOES_NOT_TERMINATE -> "\u221e";
      case NOT_APPLICABLE -> "\u2013";
    };
  }

  /** Its class in the style sheet. */
  static String style(Verdict verdict) {
    return "v-" + verdict.word();
  }

  static String invariants(List<Invariant> invariants) {
    return invariants.stream().map(Invariant::name).collect(Collectors.joining(" "));
  }

  /** What a cell is called in a link to it: {@code sev/requeue-callback/virtio-net}. */
  static String key(Cell cell) {
    return cell.platform().label() + "/" + cell.policy() + "/" + cell.driver();
  }

  /** The link to an element of the page. */
  static String link(String id) {
    // The slashes and pluses of a key may stand in a fragment as they are.
    return "#"
        + URLEncoder.encode(Markup.readable(id), StandardCharsets.UTF_8)
            .replace("+", "%20")
            .replace("%2F", "/")
            .replace("%2B", "+");
  }

  /** A history's name as a person types it: a shell finds nothing in it to obey. */
  static String quoted(HistoryId id) {
    String name = id.toString();
    return PLAIN.matcher(name).matches() ? name : "'" + name.replace("'", "'\\''") + "'";
  }
}
