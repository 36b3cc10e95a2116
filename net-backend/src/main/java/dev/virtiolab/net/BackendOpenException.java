package dev.virtiolab.net;

/** A back end that was asked for rightly and cannot be had; the message is one line. */
public final class BackendOpenException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String wire;

  /**
   * @param wire what was to be opened, as on the command line
   * @param reason why it cannot be, and what would mend it
   */
  public BackendOpenException(String wire, String reason, Throwable cause) {
    super(wire + ": " + reason, cause);
    this.wire = wire;
  }

  /** What was to be opened. */
  public String wire() {
    return wire;
  }
}
