package dev.virtiolab.pci.vfiouser;

import dev.virtiolab.posix.Errno;

/** A message that is answered with an error; the connection goes on. */
final class Refusal extends Exception {
  private static final long serialVersionUID = 1L;

  private final int errno;

  Refusal(int errno, String why) {
    // Made by a peer as often as it likes: no stack trace is gathered.
    super(why, null, false, false);
    this.errno = errno;
  }

  static Refusal invalid(String why) {
    return new Refusal(Errno.EINVAL, why);
  }

  /** The error of the reply: of {@link Errno}. */
  int errno() {
    return errno;
  }
}
