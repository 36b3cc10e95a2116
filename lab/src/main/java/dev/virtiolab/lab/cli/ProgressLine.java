package dev.virtiolab.lab.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** One line on standard error that says how far something is, where that is a terminal. */
final class ProgressLine {
  private static final Path STANDARD_ERROR = Path.of("/proc/self/fd/2");

  /** To the start of the line, and nothing behind it any more. */
  private static final String CLEAR = "\r\033[K";

  private final PrintStream err;
  private final boolean shown;

  private ProgressLine(PrintStream err, boolean shown) {
    this.err = err;
    this.shown = shown;
  }

  /** A line on standard error; never shown where that goes to a file or a pipe. */
  static ProgressLine onStandardError() {
    return new ProgressLine(System.err, isTerminal(STANDARD_ERROR));
  }

  /** Shows {@code text} instead of what was there. */
  void show(String text) {
    if (shown) {
      err.print(CLEAR + text);
      err.flush();
    }
  }

  /** Takes the line away: before anything else is printed, and at the end. */
  void clear() {
    show("");
  }

  /** {@link System#console()} speaks of standard input and output; this asks the kernel. */
  private static boolean isTerminal(Path descriptor) {
    try {
      String target = Files.readSymbolicLink(descriptor).toString();
      return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
    } catch (IOException e) {
      return false;
    }
  }
}
