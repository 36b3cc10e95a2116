package dev.virtiolab.net.fault;

/** Which way a frame goes, seen from the NIC: as a back end's counters and a capture name it. */
public enum Direction {
  /** From the NIC to the wire. */
  OUT("out"),
  /** From the wire to the NIC. */
  IN("in");

  private final String word;

  Direction(String word) {
    this.word = word;
  }

  /** As {@link FaultSpec} writes it. */
  public String word() {
    return word;
  }
}
