package dev.virtiolab.lab.bench.html;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;

/**
 * Writes elements that are closed in the order in which they were opened, and text that cannot be
 * taken for one: HTML that is well-formed XML.
 */
final class Markup {
  private static final int MAX_DECIMALS = 2;

  private final StringBuilder text = new StringBuilder();
  private final Deque<String> open = new ArrayDeque<>();

  /**
   * Opens an element.
   *
   * @param attributes name, value, name, value ...; numbers are written with two decimals at most
   */
  Markup open(String element, Object... attributes) {
    start(element, attributes).append('>');
    open.push(element);
    return this;
  }

  /** Closes the element that was opened last. */
  Markup close() {
    String element = open.pop();
    text.append("</").append(element).append('>');
    if (isBlock(element)) {
      text.append('\n');
    }
    return this;
  }

  /** An element without content. */
  Markup empty(String element, Object... attributes) {
    start(element, attributes).append("/>");
    return this;
  }

  /** An element with nothing but text. */
  Markup element(String element, String content, Object... attributes) {
    return open(element, attributes).text(content).close();
  }

  Markup text(String content) {
    escape(content);
    return this;
  }

  /** What is markup already, such as a style sheet. */
  Markup raw(String markup) {
    text.append(markup);
    return this;
  }

  /**
   * @throws IllegalStateException if an element is still open
   */
  @Override
  public String toString() {
    if (!open.isEmpty()) {
      throw new IllegalStateException("still open: " + open);
    }
    return text.toString();
  }

  private StringBuilder start(String element, Object... attributes) {
    text.append('<').append(element);
    for (int i = 0; i < attributes.length; i += 2) {
      text.append(' ').append(attributes[i]).append("=\"");
      escape(
          attributes[i + 1] instanceof Double number
              ? number(number)
              : attributes[i + 1].toString());
      text.append('"');
    }
    return text;
  }

  /** With as many decimals as it takes, two at most. */
  static String number(double value) {
    String fixed = String.format(Locale.ROOT, "%." + MAX_DECIMALS + "f", value);
    return fixed.replaceAll("\\.?0+$", "");
  }

  private void escape(String content) {
    for (int i = 0; i < content.length(); i++) {
      char c = content.charAt(i);
      switch (c) {
        case '&' -> text.append("&amp;");
        case '<' -> text.append("&lt;");
        case '>' -> text.append("&gt;");
        case '"' -> text.append("&quot;");
        // XML has no other control characters, not even escaped.
        default -> text.append(c < ' ' && c != '\n' && c != '\t' ? '\ufffd' : c);
      }
    }
  }

  private static boolean isBlock(String element) {
    return switch (element) {
      case "tr", "table", "svg", "section", "figure", "p", "h1", "h2", "div", "g", "li", "header" ->
          true;
      default -> false;
    };
  }
}
