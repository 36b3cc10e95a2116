package dev.virtiolab.lab.ebs;

import java.util.List;
import java.util.Locale;

/**
 * Something that happened in a history.
 *
 * @param number from 1
 * @param tpl the task priority level at which it happened
 * @param actor who did it: {@code loader}, {@code core}, a policy's or a driver's name, or a
 *     device's address such as {@code 00:04.0}; a driver that is not the only one of its name, or
 *     has the policy's, is followed by its card: {@code virtio-net@00:04.0}
 * @param text what, in a few words
 * @param live addresses of the devices that were live after it
 * @param openMappings how many were open after it
 * @param breaks the invariants that were first seen to be broken here
 */
public record Step(
    int number,
    int tpl,
    String actor,
    Kind kind,
    String text,
    List<String> live,
    int openMappings,
    List<Invariant> breaks) {

  /** What kind of thing happened. */
  public enum Kind {
    /** The loader calls ExitBootServices, or it returns. */
    EXIT_BOOT_SERVICES,
    /** A group or an event was signalled. */
    SIGNAL,
    /** A handler was entered. */
    ENTER,
    /** A handler was left. */
    LEAVE,
    /** A call of boot services, PciIo or the IOMMU protocol. */
    CALL,
    /** A register of a device, or configuration space, was written. */
    REGISTER,
    /** A mapping was made. */
    MAP,
    /** A mapping was taken down. */
    UNMAP,
    /** A device stopped being live. */
    QUIET,
    /** A device accessed memory. */
    DMA,
    /** The operating system has the machine. */
    HAND_OFF;

    /** As in JSON and on the page: {@code hand-off}. */
    public String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }
}
