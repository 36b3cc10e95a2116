package dev.virtiolab.pci.config;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a function sits: bus, device and function number, printed as {@code 00:04.0}.
 *
 * @param bus 0 to 255
 * @param device 0 to 31
 * @param function 0 to 7
 */
public record PciAddress(int bus, int device, int function) implements Comparable<PciAddress> {
  private static final Pattern TEXT =
      Pattern.compile("(?:([0-9a-fA-F]{1,2}):)?([0-9a-fA-F]{1,2})\\.([0-7])");

  /**
   * @throws IllegalArgumentException if a number is out of its range
   */
  public PciAddress {
    if (bus < 0 || bus > 255 || device < 0 || device > 31 || function < 0 || function > 7) {
      throw new IllegalArgumentException(
          "no such PCI address: bus=" + bus + " device=" + device + " function=" + function);
    }
  }

  /**
   * Reads {@code bus:device.function} or {@code device.function} (bus 0), numbers in hexadecimal.
   *
   * @throws IllegalArgumentException if {@code text} is not such an address
   */
  public static PciAddress parse(String text) {
    Matcher matcher = TEXT.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "not a PCI address: '" + text + "'; write it as bus:device.function, 00:04.0");
    }
    int bus = matcher.group(1) == null ? 0 : Integer.parseInt(matcher.group(1), 16);
    return new PciAddress(
        bus, Integer.parseInt(matcher.group(2), 16), Integer.parseInt(matcher.group(3), 16));
  }

  /** The address that goes with a requester ID. */
  public static PciAddress ofRequesterId(int requesterId) {
    return new PciAddress(requesterId >>> 8, requesterId >>> 3 & 0x1f, requesterId & 7);
  }

  /**
   * The 16-bit number by which an IOMMU knows the function (PCI Express Base 3.0, 2.2.6.2
   * "Transaction Descriptor - Transaction ID Field").
   */
  public int requesterId() {
    return bus << 8 | device << 3 | function;
  }

  @Override
  public int compareTo(PciAddress other) {
    return Integer.compare(requesterId(), other.requesterId());
  }

  @Override
  public String toString() {
    return String.format("%02x:%02x.%x", bus, device, function);
  }
}
