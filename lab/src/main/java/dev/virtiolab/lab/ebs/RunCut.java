package dev.virtiolab.lab.ebs;

/**
 * Ends a run that would not end by itself: see {@link Log#cut}. An error, so that no firmware code
 * takes it for one of its own exceptions.
 */
final class RunCut extends Error {
  private static final long serialVersionUID = 1L;

  RunCut(String why) {
    super(why, null, false, false);
  }
}
