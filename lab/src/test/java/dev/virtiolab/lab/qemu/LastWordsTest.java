package dev.virtiolab.lab.qemu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is kept of what a process prints. */
class LastWordsTest {

  @ParameterizedTest
  @CsvSource({
    "'', ''",
    "'\n\n', ''",
    "'one', one",
    "'one\ntwo\n', two",
    "'one\n  two  \n \n', two",
    "'\u001b[31mred\u0007\n', ?[31mred?",
  })
  void theLastLineThatSaysSomethingWithoutWhatATerminalObeys(String printed, String last) {
    assertEquals(last, words(printed).lastLine());
  }

  @Test
  void aLineIsCutWhereItGetsLong() {
    assertEquals("x".repeat(300) + "...", words("x".repeat(301)).lastLine());
    assertEquals("x".repeat(300), words("x".repeat(300)).lastLine());
  }

  @Test
  void ofMuchTheEndIsKept() {
    String printed = "no\n".repeat(100_000) + "yes\n";
    assertEquals("yes", words(printed).lastLine());
    // One line without an end: what is left of it.
    assertTrue(words("y".repeat(1 << 20)).lastLine().startsWith("yyy"));
  }

  private static LastWords words(String printed) {
    return new LastWords(new ByteArrayInputStream(printed.getBytes(StandardCharsets.UTF_8)));
  }
}
