package dev.virtiolab.virtio.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * What QEMU 11.1 said, line by line, and the comparison with what we say.
 *
 * <p>The device is rendered in the words of the recording; a line that differs must be in the list
 * of differences, and every difference in the list must occur.
 */
final class GoldenText {
  /**
   * A line on which we differ on purpose.
   *
   * @param qemu the recorded line
   * @param ours what we answer; null where we do not have what the line is about
   */
  record Difference(String qemu, String ours) {}

  private final List<String> lines = new ArrayList<>();

  GoldenText(String resource) {
    try (BufferedReader in =
        new BufferedReader(
            new InputStreamReader(
                Objects.requireNonNull(
                    GoldenText.class.getResourceAsStream("/golden/" + resource), resource),
                StandardCharsets.UTF_8))) {
      in.lines().forEach(lines::add);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The lines after the heading that begins with {@code heading} up to the next one. */
  List<String> section(String heading) {
    List<String> found = new ArrayList<>();
    boolean inside = false;
    for (String line : lines) {
      if (line.startsWith("## ")) {
        inside = line.startsWith("## " + heading);
      } else if (inside && !line.isBlank()) {
        found.add(line);
      }
    }
    assertTrue(!found.isEmpty(), () -> "no section " + heading);
    return found;
  }

  /** Compares our rendering with recorded lines in which the differences have been replaced. */
  static void compare(List<String> recorded, List<Difference> differences, List<String> ours) {
    List<String> expected = new ArrayList<>();
    List<Difference> unused = new ArrayList<>(differences);
    for (String line : recorded) {
      Difference difference =
          unused.stream().filter(d -> d.qemu().equals(line)).findFirst().orElse(null);
      if (difference == null) {
        expected.add(line);
      } else {
        unused.remove(difference);
        if (difference.ours() != null) {
          expected.add(difference.ours());
        }
      }
    }
    assertEquals(String.join("\n", expected), String.join("\n", ours));
    assertEquals(List.of(), unused, "differences that the recording does not show");
  }

  /** {@code 0000: 00 01 ...}, 16 bytes a line. */
  static List<String> hex(byte[] bytes) {
    List<String> rows = new ArrayList<>();
    for (int at = 0; at < bytes.length; at += 16) {
      StringBuilder row = new StringBuilder(String.format("%04x:", at));
      for (int i = at; i < Math.min(at + 16, bytes.length); i++) {
        row.append(String.format(" %02x", bytes[i]));
      }
      rows.add(row.toString());
    }
    return rows;
  }
}
