package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What all commands have in common. */
class MainTest {

  @Test
  void outputThatCannotBeWrittenIsOneLineAndExitCode1() {
    PrintWriter full = writer("No space left on device");
    StringWriter err = new StringWriter();

    int exitCode = Main.execute(full, new PrintWriter(err), "--version");

    assertEquals(1, exitCode);
    assertEquals("vlab: cannot write to standard output\n", err.toString());
  }

  @Test
  void outputOfACommandThatCannotBeWrittenIsNoSuccess() {
    PrintWriter full = writer("No space left on device");
    StringWriter err = new StringWriter();

    int exitCode =
        Main.execute(
            full,
            new PrintWriter(err),
            "ebs",
            "--json",
            "--replay",
            "sev/requeue-callback/requeue-from-callback/1");

    assertEquals(1, exitCode);
    assertEquals("vlab: cannot write to standard output\n", err.toString());
  }

  @Test
  void aReaderWhoHasSeenEnoughIsNoError() {
    StringWriter err = new StringWriter();

    assertEquals(0, Main.execute(writer("Broken pipe"), new PrintWriter(err), "--version"));
    assertEquals("", err.toString());
  }

  @Test
  void whatIsNoNumberIsSaidInWordsOfTheUsers() {
    for (List<String> asked :
        List.of(List.of("ebs", "--seed", "abc"), List.of("ping", "--count", "1.5"))) {
      StringWriter err = new StringWriter();

      int exitCode =
          Main.execute(
              new PrintWriter(new StringWriter()),
              new PrintWriter(err),
              asked.toArray(String[]::new));

      assertEquals(2, exitCode);
      assertEquals(
          "vlab: %s takes a whole number, not %s (see vlab %s --help)\n"
              .formatted(asked.get(1), asked.get(2), asked.get(0)),
          err.toString());
    }
    StringWriter other = new StringWriter();
    Main.execute(
        new PrintWriter(new StringWriter()), new PrintWriter(other), "ebs", "--no-such-option");
    assertTrue(other.toString().startsWith("vlab: Unknown option"), other.toString());
  }

  /** Standard output, to where nothing can be written. */
  private static PrintWriter writer(String why) {
    OutputStream broken =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException(why);
          }
        };
    return new PrintWriter(new StandardOutput(broken), true);
  }
}
