package dev.virtiolab.lab.ebs;

import java.util.Locale;

/** What came of a policy and a driver on a platform, over every order. */
public enum Verdict {
  /** In no order an invariant breaks. */
  SAFE("no order breaks an invariant"),
  /** In every order one does. */
  UNSAFE("every order breaks an invariant"),
  /** In some orders one does. */
  ORDER_DEPENDENT("some orders break an invariant, and UEFI promises none"),
  /** Policy or driver loops, throws, or keeps the level raised. */
  DOES_NOT_TERMINATE("loops, throws, or does not come back to the level it was called at"),
  /** The policy is about something that the platform does not have. */
  NOT_APPLICABLE("the policy is for boards with a DMA remapping unit");

  private final String meaning;

  Verdict(String meaning) {
    this.meaning = meaning;
  }

  /** As in the matrix and in JSON: {@code order-dependent}. */
  public String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** In a line. */
  public String meaning() {
    return meaning;
  }

  /** In a line, which speaks of no order but those that the settings let run. */
  public String meaning(Settings settings) {
    if (settings.edk2Order()) {
      switch (this) {
        case SAFE:
          return "edk2's order breaks no invariant";
        case UNSAFE:
          return "edk2's order breaks an invariant";
        default:
      }
    }
    return meaning;
  }
}
