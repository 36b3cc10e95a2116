package dev.virtiolab.virtio.vhostuser;

/**
 * A request that is not granted. Who asked for an acknowledgement gets a non-zero one, and the
 * session goes on; who did not could not know, so that the session ends.
 */
final class RefusedException extends Exception {
  private static final long serialVersionUID = 1L;

  RefusedException(String message) {
    super(message, null, false, false);
  }

  RefusedException(String message, Throwable cause) {
    super(message, cause, false, false);
  }
}
