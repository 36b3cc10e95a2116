package dev.virtiolab.net;

/** A {@code --backend} that cannot be read; the message names those that can. */
public final class BackendSpecException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final String spec;
  private final String reason;

  BackendSpecException(String spec, String reason) {
    super("back end '" + spec + "': " + reason + "; known are " + BackendSpec.FORMS);
    this.spec = spec;
    this.reason = reason;
  }

  /** What was asked for. */
  public String spec() {
    return spec;
  }

  /** What is wrong with it. */
  public String reason() {
    return reason;
  }
}
