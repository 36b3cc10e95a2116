package dev.virtiolab.net.netty;

/** What a peer did, or what befell a connection. Each is counted, and told once. */
public enum StreamTrouble {
  /** A frame of length 0. */
  ZERO_LENGTH,
  /** A frame longer than any that the wire takes. */
  GIANT,
  /** The connection ended inside a frame. */
  CUT_FRAME,
  /** A frame, or the TLS record of one, began and was not complete in time. */
  STALLED,
  /** Somebody came while another was there. */
  SECOND_PEER,
  /** No TLS, or not with this peer. */
  TLS,
  /** Nobody is there to connect to. */
  NO_PEER,
  /** The connection broke. */
  BROKEN
}
