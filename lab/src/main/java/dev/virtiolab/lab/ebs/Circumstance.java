package dev.virtiolab.lab.ebs;

import java.util.Locale;

/** A way to call ExitBootServices that is not the plain one. */
public enum Circumstance {
  /** With a key that is not the memory map's any more, then with the right one. */
  STALE_KEY("called with a stale map key, then with the right one"),
  /** At TPL_CALLBACK, which UEFI forbids. */
  CALLED_AT_CALLBACK("called at TPL_CALLBACK, which UEFI forbids"),
  /** At TPL_NOTIFY, likewise. */
  CALLED_AT_NOTIFY("called at TPL_NOTIFY, which UEFI forbids"),
  /** With a handler in the BeforeExitBootServices group that allocates a page. */
  BEFORE_CHANGES_MAP("a BeforeExitBootServices handler allocates a page");

  private final String meaning;

  Circumstance(String meaning) {
    this.meaning = meaning;
  }

  /** As in the table and in JSON: {@code stale-key}. */
  public String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** In a line. */
  public String meaning() {
    return meaning;
  }
}
