package dev.virtiolab.firmware.handoff;

/** The hand-off in guest memory is not one that this firmware can start from. */
public final class HandOffException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public HandOffException(String message) {
    super("hand-off: " + message);
  }

  HandOffException(String message, Throwable cause) {
    super("hand-off: " + message, cause);
  }
}
