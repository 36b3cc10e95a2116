package dev.virtiolab.lab;

import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What crossed a NIC so far, and what that took: counted by the device, by the guest's drivers and
 * by the platform, each for itself.
 *
 * @param platform as on the command line
 * @param slot where the NIC sits, such as {@code 00:04.0}
 * @param features the feature bits that driver and device agreed on
 * @param remapping what the DMA remapping unit did, where there is one
 * @param cache what the CPU's cache did, where bus masters do not see it
 * @param launch what the guest was measured to be, where memory is encrypted
 */
public record TrafficReport(
    String platform,
    String slot,
    List<String> features,
    Frames frames,
    Queues queues,
    Dma dma,
    Pages pages,
    Optional<Remapping> remapping,
    Optional<Cache> cache,
    Optional<Launch> launch) {

  /**
   * Frames as the device counted them.
   *
   * @param toGuest frames put into the guest's receive buffers
   * @param dropped frames that device and wire took from either side and could not deliver
   */
  public record Frames(
      long toGuest, long bytesToGuest, long fromGuest, long bytesFromGuest, long dropped) {}

  /**
   * Words between driver and device.
   *
   * @param receiveKicks notifications that the driver gave for the receive queue
   * @param interrupts that the device raised; the firmware polls and asks for none
   */
  public record Queues(long receiveKicks, long transmitKicks, long interrupts) {}

  /**
   * What the guest's drivers mapped.
   *
   * @param open mappings not yet undone
   * @param bytesBounced copied to and from bounce buffers
   */
  public record Dma(long maps, long unmaps, long open, long bytesBounced) {}

  /**
   * Pages of 4 KiB; all zero where memory is not encrypted.
   *
   * @param shared pages with the C-bit clear now
   * @param flips C-bits changed so far, either way
   */
  public record Pages(long shared, long sharedAtMost, long flips) {}

  /**
   * Translation of what bus masters ask for.
   *
   * @param faults accesses that the unit refused
   * @param hits looks at a page that the IOTLB served
   * @param misses looks at a page that took a walk of the guest's tables
   * @param invalidations commands by which the guest made the IOTLB forget
   * @param cached translations in the IOTLB now
   */
  public record Remapping(long faults, long hits, long misses, long invalidations, long cached) {}

  /**
   * Lines of 64 bytes of the CPU's cache.
   *
   * @param filled lines that came into it
   * @param writtenBack dirty lines that were copied to memory
   * @param invalidated lines that were forgotten
   * @param dirtyLost of those, the ones that had not been written back
   */
  public record Cache(long filled, long writtenBack, long invalidated, long dirtyLost) {}

  /**
   * The launch measurement, in hexadecimal.
   *
   * @param measure HMAC-SHA-256 over what the guest started from
   * @param nonce that went into it
   */
  public record Launch(String measure, String nonce) {}

  /** The summary that a person reads. */
  public String describe() {
    StringBuilder text = new StringBuilder();
    line(text, "%n--- virtio-net %s, platform %s, %s", slot, platform, String.join(" ", features));
    line(
        text,
        "frames  %,d to the guest (%,d bytes), %,d from it (%,d bytes), %,d dropped",
        frames.toGuest,
        frames.bytesToGuest,
        frames.fromGuest,
        frames.bytesFromGuest,
        frames.dropped);
    line(
        text,
        "queues  %,d receive kicks, %,d transmit kicks, %,d interrupts",
        queues.receiveKicks,
        queues.transmitKicks,
        queues.interrupts);
    line(
        text,
        "DMA     %,d maps, %,d unmaps, %,d open, %,d bytes bounced",
        dma.maps,
        dma.unmaps,
        dma.open,
        dma.bytesBounced);
    text.append(
        String.format(
            Locale.ROOT,
            "pages   %,d shared (%,d at most), %,d C-bit flips",
            pages.shared,
            pages.sharedAtMost,
            pages.flips));
    remapping.ifPresent(
        unit ->
            text.append(
                String.format(
                    Locale.ROOT,
                    "%nIOMMU   %,d faults, IOTLB: %,d hits, %,d misses, %,d invalidations, %,d"
                        + " cached",
                    unit.faults,
                    unit.hits,
                    unit.misses,
                    unit.invalidations,
                    unit.cached)));
    cache.ifPresent(
        lines ->
            text.append(
                String.format(
                    Locale.ROOT,
                    "%ncache   %,d lines filled, %,d written back, %,d invalidated, %,d dirty lost",
                    lines.filled,
                    lines.writtenBack,
                    lines.invalidated,
                    lines.dirtyLost)));
    launch.ifPresent(
        measured ->
            text.append(System.lineSeparator()).append("launch  ").append(measured.measure));
    return text.toString();
  }

  private static void line(StringBuilder text, String format, Object... values) {
    text.append(String.format(Locale.ROOT, format, values)).append(System.lineSeparator());
  }
}
