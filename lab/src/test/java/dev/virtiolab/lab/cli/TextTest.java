package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class TextTest {
  @Test
  void aLineIsAsLongAsATerminalIsWideAndNoLonger() {
    String fits = "x".repeat(47) + " " + "y".repeat(48);

    assertEquals(List.of("I1  " + fits), Text.wrapped("I1  ", fits));
    assertEquals(
        List.of("I1  " + "x".repeat(47), "    " + "y".repeat(49)),
        Text.wrapped("I1  ", fits + "y"));
  }

  @Test
  void aWordThatIsLongerStandsAlone() {
    String word = "/".repeat(120);

    assertEquals(List.of("a", word, "b"), Text.wrapped("", "a " + word + " b"));
    assertEquals(List.of("    " + word), Text.wrapped("    ", word));
  }

  @Test
  void noTextIsItsLead() {
    assertEquals(List.of("I1"), Text.wrapped("I1  ", ""));
  }
}
