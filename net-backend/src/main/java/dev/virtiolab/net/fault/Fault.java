package dev.virtiolab.net.fault;

/**
 * What befell a frame. A frame is dropped for one reason at most; of the others it may meet
 * several.
 */
public enum Fault {
  /** Dropped by chance. */
  LOST("lost", true),
  /** Dropped by a partition: its direction is blocked, or its two stations are separated. */
  PARTITIONED("partitioned", true),
  /** Dropped since the cable was pulled: it was sent then, or under way. */
  LINK_DOWN("link_down", true),
  /** Dropped since too much was under way. */
  OVERFLOWED("overflowed", true),
  /** One bit is not what was sent. */
  CORRUPTED("corrupted", false),
  /** Came twice. */
  DUPLICATED("duplicated", false),
  /** The second of two did not come: it found no room, or was under way when the cable went. */
  COPY_DROPPED("copy_dropped", false),
  /** Came after a frame that was sent later. */
  REORDERED("reordered", false);

  private final String word;
  private final boolean drop;

  Fault(String word, boolean drop) {
    this.word = word;
    this.drop = drop;
  }

  /** In lower case, with underscores. */
  public String word() {
    return word;
  }

  /** Whether the frame did not arrive. */
  public boolean isDrop() {
    return drop;
  }
}
