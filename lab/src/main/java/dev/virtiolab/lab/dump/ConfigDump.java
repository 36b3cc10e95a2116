package dev.virtiolab.lab.dump;

import dev.virtiolab.pci.config.HeaderLayout;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.config.Type0Layout;
import dev.virtiolab.pci.function.Bar;
import dev.virtiolab.pci.function.PciFunction;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A function's configuration space, taken at one moment. */
public final class ConfigDump {

  /** A field of the header. */
  public record Field(String name, int offset, int bytes, long value) {}

  /** A capability, in the order of the list. */
  public record Capability(int offset, int id, String name) {}

  /**
   * A base address register.
   *
   * @param address where it decodes; -1 while it does not
   */
  public record BaseAddress(int index, String type, long bytes, long address) {}

  private static final int CAPABILITY_VENDOR = 0x09;
  private static final int VIRTIO_CFG_TYPE = 3;
  private static final String[] VIRTIO_STRUCTURES = {
    "", "common", "notify", "isr", "device", "PCI configuration window"
  };

  private final PciAddress address;
  private final PciFunction function;
  private final byte[] bytes;

  public ConfigDump(PciAddress address, PciFunction function) {
    this.address = address;
    this.function = function;
    this.bytes = function.configDump();
  }

  /** All of it in hexadecimal, as {@code lspci -xxxx} prints it. */
  public String hex() {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "%s Class %04x: Device %04x:%04x (rev %02x)%n",
            address,
            load(HeaderLayout.CLASS_CODE + 1, 2),
            load(HeaderLayout.VENDOR_ID, 2),
            load(HeaderLayout.DEVICE_ID, 2),
            load(HeaderLayout.REVISION_ID, 1)));
    for (int row = 0; row < bytes.length; row += 16) {
      text.append(String.format(Locale.ROOT, "%02x:", row));
      for (int column = 0; column < 16; column++) {
        text.append(String.format(Locale.ROOT, " %02x", bytes[row + column]));
      }
      text.append(System.lineSeparator());
    }
    return text.toString();
  }

  /** The header, without its BARs. */
  public List<Field> header() {
    return List.of(
        field("vendor ID", HeaderLayout.VENDOR_ID, 2),
        field("device ID", HeaderLayout.DEVICE_ID, 2),
        field("command", HeaderLayout.COMMAND, 2),
        field("status", HeaderLayout.STATUS, 2),
        field("revision", HeaderLayout.REVISION_ID, 1),
        field("class", HeaderLayout.CLASS_CODE, 3),
        field("header type", HeaderLayout.HEADER_TYPE, 1),
        field("subsystem vendor ID", Type0Layout.SUBSYSTEM_VENDOR_ID, 2),
        field("subsystem ID", Type0Layout.SUBSYSTEM_ID, 2),
        field("capabilities", HeaderLayout.CAPABILITIES_POINTER, 1),
        field("interrupt line", HeaderLayout.INTERRUPT_LINE, 1),
        field("interrupt pin", HeaderLayout.INTERRUPT_PIN, 1));
  }

  public List<BaseAddress> baseAddresses() {
    return function.bars().stream()
        .map(
            bar ->
                new BaseAddress(
                    bar.index(),
                    bar.type().name().toLowerCase(Locale.ROOT).replace('_', '-'),
                    bar.bytes(),
                    bar.address() == Bar.UNMAPPED ? -1 : bar.address()))
        .toList();
  }

  public List<Capability> capabilities() {
    List<Capability> found = new ArrayList<>();
    for (int at = (int) load(HeaderLayout.CAPABILITIES_POINTER, 1);
        at != 0 && found.size() < bytes.length / 4;
        at = (int) load(at + 1, 1)) {
      int id = (int) load(at, 1);
      found.add(new Capability(at, id, name(at, id)));
    }
    return found;
  }

  private String name(int at, int id) {
    return switch (id) {
      case 0x01 -> "Power Management";
      case 0x10 -> "PCI Express";
      case 0x11 -> "MSI-X";
      case CAPABILITY_VENDOR -> "virtio " + structure((int) load(at + VIRTIO_CFG_TYPE, 1));
      default -> "unknown";
    };
  }

  private static String structure(int type) {
    return type < VIRTIO_STRUCTURES.length ? VIRTIO_STRUCTURES[type] : "type " + type;
  }

  private Field field(String name, int offset, int width) {
    return new Field(name, offset, width, load(offset, width));
  }

  private long load(int offset, int width) {
    long value = 0;
    for (int i = width - 1; i >= 0; i--) {
      value = value << 8 | Byte.toUnsignedInt(bytes[offset + i]);
    }
    return value;
  }
}
