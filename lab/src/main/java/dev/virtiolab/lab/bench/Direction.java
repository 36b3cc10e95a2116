package dev.virtiolab.lab.bench;

/** Which way the frames go, as the guest sees it. */
public enum Direction {
  /** From the guest's driver to the wire. */
  TX("tx"),
  /** From the wire to the guest's driver. */
  RX("rx"),
  /** Both at the same time; a rate is the sum of the two. */
  BOTH("both");

  private final String label;

  Direction(String label) {
    this.label = label;
  }

  /** As on the command line, and in JSON. */
  public String label() {
    return label;
  }
}
