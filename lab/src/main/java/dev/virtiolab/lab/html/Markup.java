package dev.virtiolab.lab.html;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;

/**
 * Writes elements that are closed in the order in which they were opened, and text that cannot be
 * taken for one: HTML that is well-formed XML.
 */
public final class Markup {
  private static final int MAX_DECIMALS = 2;

  private final StringBuilder text = new StringBuilder();
  private final Deque<String> open = new ArrayDeque<>();

  /** With nothing in it. */
  public Markup() {}

  /**
   * Opens an element.
   *
   * @param attributes name, value, name, value ...; numbers are written with two decimals at most
   */
  public Markup open(String element, Object... attributes) {
    start(element, attributes).append('>');
    open.push(element);
    return this;
  }

  /** Closes the element that was opened last. */
  public Markup close() {
    String element = open.pop();
    text.append("</").append(element).append('>');
    if (isBlock(element)) {
      text.append('\n');
    }
    return this;
  }

  /** An element without content. */
  public Markup empty(String element, Object... attributes) {
    start(element, attributes).append("/>");
    return this;
  }

  /** An element with nothing but text. */
  public Markup element(String element, String content, Object... attributes) {
    return open(element, attributes).text(content).close();
  }

  /** Text, whatever is in it. */
  public Markup text(String content) {
    escape(content);
    return this;
  }

  /** What is markup already, such as a style sheet. */
  public Markup raw(String markup) {
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
  public static String number(double value) {
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
        default -> text.append(isCharacter(content, i) ? c : '\ufffd');
      }
    }
  }

  /** The text as it reads once it is written: with a sign for what is no character. */
  public static String readable(String content) {
    StringBuilder readable = new StringBuilder(content.length());
    for (int i = 0; i < content.length(); i++) {
      readable.append(isCharacter(content, i) ? content.charAt(i) : '\ufffd');
    }
    return readable.toString();
  }

  /**
   * Whether there is such a character in XML: no control characters, no halves of a pair, and
   * neither of the two that Unicode keeps free.
   */
  private static boolean isCharacter(String content, int at) {
    char c = content.charAt(at);
    if (Character.isHighSurrogate(c)) {
      return at + 1 < content.length() && Character.isLowSurrogate(content.charAt(at + 1));
    }
    if (Character.isLowSurrogate(c)) {
      return at > 0 && Character.isHighSurrogate(content.charAt(at - 1));
    }
    return c >= ' ' ? c < '\ufffe' : c == '\n' || c == '\t';
  }

  private static boolean isBlock(String element) {
    return switch (element) {
      case "tr",
          "table",
          "svg",
          "section",
          "figure",
          "p",
          "h1",
          "h2",
          "h3",
          "div",
          "g",
          "li",
          "header",
          "script",
          "style" ->
          true;
      default -> false;
    };
  }
}
