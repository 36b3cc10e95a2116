package dev.virtiolab.lab.html;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The frame of a page: its head, and the look that all pages share. */
public final class Page {
  private Page() {}

  /**
   * Begins the head: whoever calls adds to it, then {@link #body}.
   *
   * @param styleSheet rules of this page's own
   */
  public static void head(Markup out, String title, String styleSheet) {
    out.raw("<!DOCTYPE html>\n");
    out.open("html", "lang", "en");
    out.open("head");
    out.empty("meta", "charset", "utf-8");
    out.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    out.empty("meta", "name", "color-scheme", "content", "light dark");
    out.element("title", title);
    out.open("style").raw("\n" + resource(Page.class, "page.css") + styleSheet).close();
  }

  /** Ends the head and begins what is seen. */
  public static void body(Markup out) {
    out.close();
    out.open("body").open("main");
  }

  /** Ends the page. */
  public static void end(Markup out) {
    out.close().close().close();
  }

  /** A text file that lies beside a class. */
  public static String resource(Class<?> owner, String name) {
    try (InputStream file = owner.getResourceAsStream(name)) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
