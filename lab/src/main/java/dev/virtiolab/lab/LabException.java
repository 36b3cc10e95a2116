package dev.virtiolab.lab;

/**
 * What a user can mend. The command line prints the message as one line and ends with {@link
 * #exitCode()}.
 */
public final class LabException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The user asked for what cannot be: an option, a name, a right that is missing. */
  public static final int USAGE = 2;

  /** It was asked rightly and went wrong all the same. */
  public static final int FAILURE = 1;

  /** Ended by SIGINT: 128 + 2. */
  public static final int INTERRUPTED = 130;

  private final int exitCode;

  private LabException(int exitCode, String message, Throwable cause) {
    super(message, cause);
    this.exitCode = exitCode;
  }

  /** The user must ask otherwise; exit code 2. */
  public static LabException usage(String message) {
    return new LabException(USAGE, message, null);
  }

  /** The user must ask otherwise; exit code 2. */
  public static LabException usage(String message, Throwable cause) {
    return new LabException(USAGE, message, cause);
  }

  /** It went wrong; exit code 1. */
  public static LabException failure(String message) {
    return new LabException(FAILURE, message, null);
  }

  /** It went wrong; exit code 1. */
  public static LabException failure(String message, Throwable cause) {
    return new LabException(FAILURE, message, cause);
  }

  /** Ctrl-C came first; exit code 130, as a shell counts. */
  public static LabException interrupted() {
    return new LabException(INTERRUPTED, "interrupted", null);
  }

  public int exitCode() {
    return exitCode;
  }
}
