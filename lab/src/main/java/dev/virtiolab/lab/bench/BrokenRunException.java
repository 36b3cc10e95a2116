package dev.virtiolab.lab.bench;

/** A run that has no figure: a frame was lost, doubled, reordered or garbled, or a call failed. */
public final class BrokenRunException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  BrokenRunException(String message) {
    super(message);
  }
}
