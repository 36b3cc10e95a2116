package dev.virtiolab.firmware.uefi;

/**
 * Task priority levels: UEFI Specification 2.10, 7.1 "Event, Timer, and Task Priority Services".
 */
public final class Tpl {
  public static final int APPLICATION = 4;
  public static final int CALLBACK = 8;
  public static final int NOTIFY = 16;
  public static final int HIGH_LEVEL = 31;

  private Tpl() {}
}
