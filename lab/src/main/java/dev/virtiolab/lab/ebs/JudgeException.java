package dev.virtiolab.lab.ebs;

/** The lab's own books do not add up: a bug of the lab, not a finding. */
final class JudgeException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  JudgeException(String message) {
    super(message);
  }
}
