package dev.virtiolab.lab.dmacheck;

import java.util.Locale;

/** How a mistake first shows, on one platform. */
public enum Verdict {
  /** The driver makes no mistake, and nothing is wrong. */
  WORKS("nothing is wrong"),
  /** The driver is told: Map, Unmap, FreeBuffer or its start returned an error. */
  REFUSED("the driver is told: a call returns an error"),
  /** A DMA fault, or the device asks to be reset. */
  FAULT("the hardware objects: a DMA fault, or the device needs a reset"),
  /** A frame is lost or garbled, on the wire or in the guest. */
  GARBLED("no error and no fault, but a frame is lost or arrives with wrong bytes"),
  /** All frames arrive; only who watches each access and each mapping sees that it is wrong. */
  UNNOTICED("all frames arrive; only the lab's own journal sees the mistake"),
  /** Nothing shows: on this platform it makes no difference. */
  HARMLESS("nothing shows at all: it works by luck");

  private final String meaning;

  Verdict(String meaning) {
    this.meaning = meaning;
  }

  /** As in the table and in JSON. */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** What it stands for, in a line. */
  public String meaning() {
    return meaning;
  }
}
