package dev.virtiolab.integration;

import dev.virtiolab.lab.cli.Main;
import dev.virtiolab.lab.host.NetworkNamespace;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * The program of {@link WarmVlab}: command lines come in, and how each ended goes out. All run in
 * one network namespace, if there may be one.
 */
final class Repeated {
  /** Between two words of a command line, each of which is a line. */
  static final String BETWEEN = "\t";

  /** Before and after an exit code. No command prints it. */
  static final String MARK = "\0";

  private Repeated() {}

  public static void main(String[] none) throws IOException {
    Main.speakPlainly();
    if (NetworkNamespace.obstacle().isEmpty()) {
      // A command that needs one would start this over with its line read.
      NetworkNamespace.enter();
    }
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      int exitCode = Main.execute(line.split(BETWEEN, -1));
      System.out.print(MARK + exitCode + MARK);
      System.out.flush();
    }
  }
}
