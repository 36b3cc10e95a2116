package dev.virtiolab.firmware.stack.tcp;

/** Why a connection is no more, where it did not end in good order. */
public enum TcpError {
  /** The peer answered the SYN with a reset, or its host said that nobody has the port. */
  REFUSED,
  /** The peer reset the connection. */
  RESET,
  /** The peer did not answer for too long. */
  TIMED_OUT,
  /** Likewise, and a router or host has said that it cannot be reached. */
  UNREACHABLE,
  /** This side has aborted it. */
  ABORTED
}
