package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.SmallNet;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** What a driver can get wrong about DMA, and a driver that does. */
public enum Mistake {
  /** For comparison: the driver that is right. */
  NONE("none", "no mistake", SmallNet::new),
  NO_MAP("no-map", "no Map at all", NoMap::new),
  HOST_ADDRESS("host-address", "host address used as device address", HostAddress::new),
  EARLY_UNMAP("early-unmap", "unmapped too early", EarlyUnmap::new),
  NO_UNMAP("no-unmap", "mapped but not unmapped", NoUnmap::new),
  FOREIGN_COMMON_BUFFER(
      "foreign-common-buffer",
      "CommonBuffer of memory that AllocateBuffer did not give",
      ForeignCommonBuffer::new),
  READ_FOR_WRITE(
      "read-for-write", "BusMasterRead used for what the device writes", ReadForWrite::new),
  SHORT_MAP("short-map", "the device uses more bytes than were mapped", ShortMap::new);

  private final String label;
  private final String title;
  private final SmallNet.Factory driver;

  Mistake(String label, String title, SmallNet.Factory driver) {
    this.label = label;
    this.title = title;
    this.driver = driver;
  }

  /** As on the command line. */
  public String label() {
    return label;
  }

  /** What it is, in a few words. */
  public String title() {
    return title;
  }

  /** Makes drivers that make this mistake. */
  public SmallNet.Factory driver() {
    return driver;
  }

  /** Every name, in the order in which they are shown. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(Mistake::label).toList();
  }

  /** The mistake of that name. */
  public static Optional<Mistake> labelled(String label) {
    return Arrays.stream(values()).filter(mistake -> mistake.label.equals(label)).findFirst();
  }
}
