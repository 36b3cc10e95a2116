package dev.virtiolab.firmware.pci;

/**
 * A function that the bus driver found and left alone.
 *
 * @param reason for people, one line
 */
public record SkippedFunction(int bus, int device, int function, String reason) {
  @Override
  public String toString() {
    return "%02x:%02x.%x: %s".formatted(bus, device, function, reason);
  }
}
