package dev.virtiolab.lab.ebs;

/** What has to hold at and before the hand-off to the operating system. */
public enum Invariant {
  I1("while a device is live, it reaches nothing outside its open mappings"),
  I2("at hand-off no mapping is open and no undeclared page is shared"),
  I3("at hand-off the memory map and its key equal the ones that were accepted"),
  I4("at hand-off every device's queues are stopped"),
  I5("bytes that were shared read, from outside, as ciphertext or zero"),
  I6("what a device wrote before it was quiesced is readable by the guest"),
  I7("no handler allocates, frees, waits or uses a timer"),
  I8("each group is dispatched at most once, and a failed call touches no handler of its group"),
  I9("each mapping is torn down exactly once");

  private final String meaning;

  Invariant(String meaning) {
    this.meaning = meaning;
  }

  /** In a line. */
  public String meaning() {
    return meaning;
  }
}
