package dev.virtiolab.lab.dmacheck;

import java.util.Locale;

/**
 * Something that was seen.
 *
 * @param sign what kind of thing
 * @param atNanos when it was first seen, on the run's clock
 * @param times how often; the rest describes the first
 * @param address the bus address, in hexadecimal; empty where it is about none
 * @param page the page of {@code address}, in hexadecimal; empty where it is about none
 * @param text what was seen, in a sentence
 */
public record Evidence(
    Sign sign, long atNanos, long times, String address, String page, String text) {

  /** The kinds of things that can be seen, and what they say about the platform. */
  public enum Sign {
    /** A call returned an error. */
    STATUS(Verdict.REFUSED),
    /** An access of the device was refused. */
    DMA_FAULT(Verdict.FAULT),
    /** The device set DEVICE_NEEDS_RESET. */
    NEEDS_RESET(Verdict.FAULT),
    /** The device dropped a frame. */
    DROPPED(Verdict.GARBLED),
    /** A frame of the driver's came out otherwise, or not at all. */
    SENT_WRONG(Verdict.GARBLED),
    /** A frame for the driver arrived otherwise, or not at all. */
    RECEIVED_WRONG(Verdict.GARBLED),
    /** The device reached memory that no open mapping gave it. */
    STRAY(Verdict.UNNOTICED),
    /** A CommonBuffer was mapped of memory that is not from AllocateBuffer. */
    FOREIGN(Verdict.UNNOTICED),
    /** A mapping was open when the driver had stopped. */
    LEAK(Verdict.UNNOTICED);

    private final Verdict verdict;

    Sign(Verdict verdict) {
      this.verdict = verdict;
    }

    /** As in JSON. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    Verdict verdict() {
      return verdict;
    }

    /** Whether anybody but the lab can see it. */
    boolean shows() {
      return verdict != Verdict.UNNOTICED;
    }
  }

  /** The same, seen once more. */
  Evidence again() {
    return new Evidence(sign, atNanos, times + 1, address, page, text);
  }

  /** As a line for people. */
  public String describe() {
    return Times.ms(atNanos) + "  " + text + (times > 1 ? " (" + times + " times)" : "");
  }
}
