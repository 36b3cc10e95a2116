package dev.virtiolab.net.fault;

/** A text that {@link FaultSpec} cannot read. */
public final class FaultSpecException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  FaultSpecException(String text, String why) {
    super("--fault " + text + ": " + why + " (it takes " + FaultSpec.FORMS + ")");
  }
}
