package dev.virtiolab.net.netty;

/** What a VXLAN segment's end did in the ordinary course of things, counted. */
public enum VxlanEvent {
  /** Frames that went to one peer, whose station the receiver is. */
  TO_ONE("to-one"),
  /** Frames that went to every peer. */
  FLOODED("flooded"),
  /** Datagrams that the kernel took: one for each frame and peer. */
  DATAGRAMS("datagrams"),
  /** Stations heard for the first time, or after a silence. */
  LEARNED("learned"),
  /** Stations heard at another peer than before. */
  MOVED("moved"),
  /** Stations forgotten for want of room. */
  REPLACED("replaced");

  private final String word;

  VxlanEvent(String word) {
    this.word = word;
  }

  /** In lower case and with dashes, for lists and metrics. */
  public String word() {
    return word;
  }
}
