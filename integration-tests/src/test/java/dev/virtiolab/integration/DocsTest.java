package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The pages speak of files that are there. */
class DocsTest {
  private static final Path ROOT = Path.of("").toAbsolutePath().getParent();

  /** {@code [text](target)} and {@code [label]: target}. */
  private static final Pattern LINK =
      Pattern.compile("\\]\\(([^)#\\s]+)[^)]*\\)|^\\[[^\\]]+\\]:\\s*([^#\\s]+)", Pattern.MULTILINE);

  @Test
  void everyRelativeLinkLeadsToAFile() throws IOException {
    List<String> broken = new ArrayList<>();
    int links = 0;
    for (Path page : pages()) {
      Matcher link = LINK.matcher(Files.readString(page));
      while (link.find()) {
        String target = link.group(1) != null ? link.group(1) : link.group(2);
        if (!target.contains("://")) {
          links++;
          if (!Files.exists(page.resolveSibling(target))) {
            broken.add(ROOT.relativize(page) + " -> " + target);
          }
        }
      }
    }
    assertTrue(links > 50, "links found: " + links);
    assertTrue(broken.isEmpty(), "broken: " + broken);
  }

  private static List<Path> pages() throws IOException {
    try (Stream<Path> docs = Files.walk(ROOT.resolve("docs"));
        Stream<Path> top = Files.list(ROOT)) {
      List<Path> pages =
          Stream.concat(docs, top).filter(file -> file.toString().endsWith(".md")).toList();
      assertFalse(pages.isEmpty());
      return pages;
    }
  }
}
