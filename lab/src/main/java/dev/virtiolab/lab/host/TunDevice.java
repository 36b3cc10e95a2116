package dev.virtiolab.lab.host;

import java.nio.file.Files;
import java.nio.file.Path;

/** {@code /dev/net/tun}, which every TAP is made through. */
public final class TunDevice {
  private static final Path DEVICE = Path.of("/dev/net/tun");

  private TunDevice() {}

  /** What to do before this user can make a TAP in a namespace of its own; empty if nothing. */
  public static String remedy() {
    if (!Files.exists(DEVICE)) {
      return "load the module: sudo modprobe tun (in a container: --device /dev/net/tun)";
    }
    if (!Files.isReadable(DEVICE) || !Files.isWritable(DEVICE)) {
      return "open " + DEVICE + " to all: sudo chmod 666 " + DEVICE;
    }
    return "";
  }
}
