package dev.virtiolab.lab;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What crossed a NIC so far, and what that took: counted by the device, by the guest's drivers and
 * by the platform, each for itself. A device of another program's does not tell what it counted:
 * what is said of it then is what the guest's driver saw.
 *
 * @param platform as on the command line
 * @param slot where the NIC sits, such as {@code 00:04.0}
 * @param emulator the program whose device it is; empty where it is this one's
 * @param features the feature bits that driver and device agreed on
 * @param remapping what the DMA remapping unit did, where there is one
 * @param cache what the CPU's cache did, where bus masters do not see it
 * @param launch what the guest was measured to be, where memory is encrypted
 */
public record TrafficReport(
    String platform,
    String slot,
    Optional<Emulator> emulator,
    List<String> features,
    Frames frames,
    Queues queues,
    Dma dma,
    Pages pages,
    Optional<Remapping> remapping,
    Optional<Cache> cache,
    Optional<Launch> launch) {

  /**
   * A program that emulates the device.
   *
   * @param name with its version
   * @param registersRead accesses of the guest's, each a request and its answer
   */
  public record Emulator(String name, long registersRead, long registersWritten) {}

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
   * @param interrupts that the device raised; the firmware polls and asks for none. Empty where
   *     nobody counts them
   */
  public record Queues(long receiveKicks, long transmitKicks, OptionalLong interrupts) {}

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
    line(
        text,
        "%n--- virtio-net %s%s, platform %s, %s",
        slot,
        emulator.map(program -> " of " + program.name).orElse(""),
        platform,
        String.join(" ", features));
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
        "queues  %,d receive kicks, %,d transmit kicks%s",
        queues.receiveKicks,
        queues.transmitKicks,
        queues.interrupts.isPresent()
            ? String.format(Locale.ROOT, ", %,d interrupts", queues.interrupts.getAsLong())
            : "");
    emulator.ifPresent(
        program ->
            line(
                text,
                "qtest   %,d registers read, %,d written",
                program.registersRead,
                program.registersWritten));
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
