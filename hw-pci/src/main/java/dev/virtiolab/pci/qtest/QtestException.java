package dev.virtiolab.pci.qtest;

/**
 * The machine at the other end of a qtest socket is gone, is silent, or answers what it must not.
 * The message is one line, and says of its words only what can be printed.
 */
public final class QtestException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  QtestException(String message) {
    super(message);
  }
}
