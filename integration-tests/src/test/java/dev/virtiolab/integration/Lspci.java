package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What {@code lspci -xxxx -vv} says in a guest of two network cards, ours and QEMU's own. */
final class Lspci {
  /** For the guest's script: the cards are in slots 05, which is ours, and 06. */
  static final String BOTH =
      """
      for nic in 05 06; do
        echo "begin $nic"
        lspci -xxxx -vv -s 00:$nic.0 2>/dev/null
        echo "end $nic"
      done
      """;

  private Lspci() {}

  /**
   * The two differ in what the guest assigned, and in the expansion ROM:
   * docs/adr/0002-where-we-differ-from-qemu.md.
   *
   * @param assigned the doublewords that the guest assigned
   */
  static void assertBothLookAlike(String console, Set<Integer> assigned) {
    String ours = between(console, "begin 05\n", "end 05");
    String theirs = between(console, "begin 06\n", "end 06");
    assertEquals(described(theirs), described(ours));
    assertTrue(theirs.contains("Expansion ROM"), theirs);
    assertFalse(ours.contains("Expansion ROM"), ours);
    byte[] own = bytes(ours);
    byte[] qemus = bytes(theirs);
    assertEquals(256, own.length);
    assertEquals(qemus.length, own.length);
    Set<Integer> different = new TreeSet<>();
    for (int i = 0; i < own.length; i++) {
      if (own[i] != qemus[i]) {
        different.add(i & ~3);
      }
    }
    different.removeAll(assigned);
    assertEquals(Set.of(), different, console);
  }

  private static String between(String console, String begin, String end) {
    int from = console.indexOf(begin) + begin.length();
    return console.substring(from, console.indexOf(end, from));
  }

  /** What is said in words, without addresses and numbers that the guest has assigned. */
  private static String described(String lspci) {
    List<String> lines = new ArrayList<>();
    for (String line : lspci.split("\n")) {
      if (!line.matches("[0-9a-f]+: .*") && !line.contains("Expansion ROM")) {
        lines.add(
            line.replaceAll("^00:0.\\.0", "00:0x.0")
                .replaceAll("IRQ \\d+", "IRQ n")
                .replaceAll("(Memory|I/O ports) at [0-9a-f]+", "$1 at x"));
      }
    }
    return String.join("\n", lines);
  }

  private static byte[] bytes(String lspci) {
    Matcher row = Pattern.compile("(?m)^[0-9a-f]+:((?: [0-9a-f]{2}){16})").matcher(lspci);
    List<Byte> all = new ArrayList<>();
    while (row.find()) {
      Stream.of(row.group(1).trim().split(" "))
          .forEach(b -> all.add((byte) Integer.parseInt(b, 16)));
    }
    byte[] bytes = new byte[all.size()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = all.get(i);
    }
    return bytes;
  }
}
