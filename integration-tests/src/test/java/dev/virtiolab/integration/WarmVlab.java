package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;

/**
 * {@code vlab} for one command line after the other in one process, whose code is warm after the
 * first: where it is what a command does that is shown, and neither how a process comes up nor how
 * it ends. What a command prints goes through the same descriptors as always.
 */
final class WarmVlab implements AutoCloseable {
  private Vlab vlab;
  private int runs;
  private int outSeen;
  private int errSeen;

  /**
   * Runs a command to its end, and nobody else at the same time.
   *
   * @param arguments without tabs and ends of lines
   */
  Vlab.Ended run(String... arguments) {
    if (vlab == null) {
      vlab = Vlab.asMyself().startRepeated();
    }
    try {
      vlab.tell(String.join(Repeated.BETWEEN, arguments));
      runs++;
      vlab.awaitOutput(Repeated.MARK, 2 * runs);
    } catch (AssertionError e) {
      // The next one is not to wait for this one.
      vlab.close();
      forget();
      throw e;
    }
    String out = vlab.printed();
    String err = vlab.printedToErr();
    int mark = out.indexOf(Repeated.MARK, outSeen);
    Vlab.Ended ended =
        new Vlab.Ended(
            Integer.parseInt(out.substring(mark + 1, out.length() - 1)),
            out.substring(outSeen, mark),
            err.substring(errSeen));
    outSeen = out.length();
    errSeen = err.length();
    return ended;
  }

  private void forget() {
    vlab = null;
    runs = 0;
    outSeen = 0;
    errSeen = 0;
  }

  /** No child of the last run's is left, and no interface. */
  void assertNothingLeft() {
    vlab.assertNoProcessAndNoInterfaceLeft();
  }

  /** Ends the process, which leaves no temporary file, either. */
  @Override
  public void close() {
    if (vlab != null) {
      try {
        assertEquals(0, vlab.endRepeated().exitCode());
        vlab.assertNothingLeft();
      } finally {
        vlab.close();
        forget();
      }
    }
  }
}
