package dev.virtiolab.integration.ebs;

/** What all the orders of a cell come to. */
enum Verdict {
  SAFE("safe"),
  UNSAFE("unsafe"),
  ORDER_DEPENDENT("order-dependent"),
  NOT_APPLICABLE("not-applicable");

  private final String text;

  Verdict(String text) {
    this.text = text;
  }

  /** As in the matrix. */
  String text() {
    return text;
  }
}
