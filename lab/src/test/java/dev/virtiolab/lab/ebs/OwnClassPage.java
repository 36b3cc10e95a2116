package dev.virtiolab.lab.ebs;

import dev.virtiolab.iommu.PlatformKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** docs/your-own-policy.md: its examples, and the verdicts that it promises. */
record OwnClassPage(String text, Map<String, String> examples, List<Promise> promises) {
  private static final Path PAGE =
      Path.of("").toAbsolutePath().resolveSibling("docs").resolve("your-own-policy.md");

  private static final Pattern EXAMPLE =
      Pattern.compile(
          "^```java\n(.*?^public final class (\\w+).*?)^```", Pattern.MULTILINE | Pattern.DOTALL);

  private static final Pattern PROMISE =
      Pattern.compile(
          "^\\| `([a-z-]+)` \\| `([a-z+-]+)` \\| `([a-z]+)` \\| ([a-z-]+) \\|(?: (.*)\\|)?$",
          Pattern.MULTILINE);

  /** A row of one of its tables. */
  record Promise(Explorer.Task task, String verdict, List<String> invariants) {}

  static OwnClassPage read() throws IOException {
    String text = Files.readString(PAGE);
    Map<String, String> examples = new LinkedHashMap<>();
    Matcher example = EXAMPLE.matcher(text);
    while (example.find()) {
      examples.put(example.group(2), example.group(1));
    }
    List<Promise> promises = new ArrayList<>();
    PROMISE.matcher(text).results().map(OwnClassPage::promise).forEach(promises::add);
    return new OwnClassPage(text, examples, promises);
  }

  private static Promise promise(MatchResult row) {
    List<String> drivers = List.of(row.group(2).split("\\+"));
    Stream<String> invariants =
        row.group(5) == null ? Stream.of() : Stream.of(row.group(5).split(","));
    return new Promise(
        new Explorer.Task(PlatformKind.parse(row.group(3)), row.group(1), drivers),
        row.group(4),
        invariants.map(String::strip).filter(word -> !word.isEmpty()).toList());
  }

  /** Writes an example where the page says that it is. */
  Path write(String name, Path folder) throws IOException {
    return Files.writeString(folder.resolve(name + ".java"), examples.get(name));
  }
}
