package dev.virtiolab.virtio.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.virtio.fixture.TestNic;
import dev.virtiolab.virtio.golden.GoldenText.Difference;
import dev.virtiolab.virtio.transport.DeviceKind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The device at reset against what QEMU 11.1 shows, on the root bus and behind a port, and of every
 * kind.
 */
class GoldenDumpTest {
  /** Every line that differs, and why: no expansion ROM. */
  private static final List<Difference> NO_ROM =
      List.of(new Difference("BARrom rom size=0x40000 flagsreadback=0xfffc0000", "BARrom none"));

  private enum Place {
    ROOT_BUS("q35-rootbus-modern.txt", "extended space: all 0xff"),
    ROOT_PORT("q35-rootport-default-pcie.txt", "extended space: nonzero bytes beyond last cap: []"),
    TRANSITIONAL("q35-rootbus-transitional.txt", "extended space: all 0xff"),
    LEGACY("q35-rootbus-legacy.txt", "extended space: all 0xff");

    private final GoldenText golden;
    private final String extendedSpace;

    Place(String resource, String extendedSpace) {
      golden = new GoldenText(resource);
      this.extendedSpace = extendedSpace;
    }

    TestNic nic() {
      TestNic nic =
          switch (this) {
            case ROOT_BUS -> TestNic.conventional();
            case ROOT_PORT -> TestNic.express();
            case TRANSITIONAL -> TestNic.of(DeviceKind.TRANSITIONAL);
            case LEGACY -> TestNic.of(DeviceKind.LEGACY);
          };
      nic.function.configWrite(4, 2, 0);
      return nic;
    }
  }

  @ParameterizedTest
  @EnumSource
  void configurationSpaceIsByteForByteTheSame(Place place) {
    try (TestNic nic = place.nic()) {
      byte[] dump = nic.function.configDump();
      List<String> ours = GoldenText.hex(Arrays.copyOf(dump, 256));
      // The recording calls the extended space all ones where there is none, and empty behind a
      // port.
      boolean present = nic.function.configRead(0x100, 4) != ConfigSpace.allOnes(4);
      boolean empty = true;
      for (int i = 256; i < dump.length; i++) {
        empty &= dump[i] == 0;
      }
      ours.add(
          !present
              ? "extended space: all 0xff"
              : "extended space: nonzero bytes beyond last cap: " + (empty ? "[]" : "some"));
      ours.add(identity(nic));
      ours.addAll(capabilities(nic));
      assertEquals(true, ours.contains(place.extendedSpace));
      GoldenText.compare(place.golden.section("config space first 256 bytes"), List.of(), ours);
    }
  }

  @ParameterizedTest
  @EnumSource
  void barsHaveTheSameSizesAndKinds(Place place) {
    try (TestNic nic = place.nic()) {
      List<String> ours = new ArrayList<>();
      for (int bar = 0; bar < 6; bar++) {
        int offset = 0x10 + 4 * bar;
        nic.function.configWrite(offset, 4, 0xffff_ffffL);
        long back = nic.function.configRead(offset, 4);
        if (back == 0) {
          continue;
        }
        if ((back & 1) != 0) {
          long ports = -(back & ~3L) & 0xffff_ffffL;
          ours.add(String.format("BAR%d io size=0x%x flagsreadback=0x%08x", bar, ports, back));
          continue;
        }
        boolean wide = (back & 4) != 0;
        String kind = (wide ? "mem64" : "mem32") + ((back & 8) != 0 ? "-pref" : "");
        long size = -(back & ~0xfL) & 0xffff_ffffL;
        ours.add(String.format("BAR%d %s size=0x%x flagsreadback=0x%08x", bar, kind, size, back));
        bar += wide ? 1 : 0;
      }
      nic.function.configWrite(0x30, 4, 0xffff_ffffL);
      ours.add(nic.function.configRead(0x30, 4) == 0 ? "BARrom none" : "BARrom some");
      GoldenText.compare(place.golden.section("BARs"), NO_ROM, ours);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"ROOT_BUS", "ROOT_PORT"})
  void commonConfigurationReadsTheSame(Place place) {
    try (TestNic nic = place.nic()) {
      List<String> ours = GoldenText.hex(byteReads(nic, TestNic.COMMON, 0x60));
      ours.add(String.format("common cfg at 0x7fc: %08x", nic.read(0x7fc, 4)));
      StringBuilder words = new StringBuilder("device_feature sel0..3:");
      List<String> bits = new ArrayList<>();
      for (int select = 0; select < 4; select++) {
        nic.write(0, 4, select);
        long word = nic.read(4, 4);
        words.append(String.format(" %08x", word));
        for (int bit = 0;
            bit < 32 && select < 2;
            bit++) { // The recording names those of two words.
          if ((word >>> bit & 1) != 0) {
            bits.add(Integer.toString(32 * select + bit));
          }
        }
      }
      ours.add(words.toString());
      ours.add("feature bits: " + String.join(",", bits));
      ours.add(
          String.format(
              "num_queues=%d config_gen=%d status=%x msix_config=%04x",
              nic.read(0x12, 2), nic.read(0x15, 1), nic.read(0x14, 1), nic.read(0x10, 2)));
      for (int queue : new int[] {0, 1, 2, 3, 4, 1023, 1024}) {
        nic.select(queue);
        ours.add(
            String.format(
                "queue sel %d -> readback %d size=%d vec=%04x enable=%d notify_off=%d desc=%x"
                    + " avail=%x used=%x notify_data(0x38)=%04x reset(0x3a)=%04x",
                queue,
                nic.read(0x16, 2),
                nic.read(0x18, 2),
                nic.read(0x1a, 2),
                nic.read(0x1c, 2),
                nic.read(0x1e, 2),
                nic.read(0x20, 8),
                nic.read(0x28, 8),
                nic.read(0x30, 8),
                nic.read(0x38, 2),
                nic.read(0x3a, 2)));
      }
      StringBuilder isr = new StringBuilder("isr first 16 bytes:");
      for (byte b : byteReads(nic, TestNic.ISR, 16)) {
        isr.append(String.format(" %02x", b));
      }
      ours.add(isr.toString());
      GoldenText.compare(place.golden.section("BAR4 common cfg window"), List.of(), ours);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"ROOT_BUS", "ROOT_PORT"})
  void deviceConfigurationReadsTheSame(Place place) {
    try (TestNic nic = place.nic()) {
      List<String> ours = GoldenText.hex(byteReads(nic, TestNic.DEVICE, 64));
      ours.add(
          String.format(
              "notify read back: %08x %08x %08x",
              nic.read(TestNic.NOTIFY, 4),
              nic.read(TestNic.NOTIFY + 4, 4),
              nic.read(TestNic.NOTIFY + 8, 4)));
      GoldenText.compare(place.golden.section("device cfg first 64 bytes"), List.of(), ours);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"ROOT_BUS", "ROOT_PORT"})
  void msixTableReadsTheSame(Place place) {
    try (TestNic nic = place.nic()) {
      byte[] table = new byte[64];
      for (int at = 0; at < table.length; at += 4) {
        long word = nic.function.barRead(1, at, 4);
        for (int i = 0; i < 4; i++) {
          table[at + i] = (byte) (word >>> 8 * i);
        }
      }
      List<String> ours = GoldenText.hex(table);
      StringBuilder pending = new StringBuilder("PBA: ");
      for (int at = 0; at < 16; at += 4) {
        pending.append(String.format("%08x", nic.function.barRead(1, 0x800 + at, 4)));
      }
      ours.add(pending.toString());
      GoldenText.compare(place.golden.section("MSI-X table 4 entries"), List.of(), ours);
    }
  }

  private static byte[] byteReads(TestNic nic, int offset, int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = (byte) nic.read(offset + i, 1);
    }
    return bytes;
  }

  private static String identity(TestNic nic) {
    return String.format(
        "id %04x:%04x rev %02x class %06x hdr %02x subsys %04x:%04x intpin %x capptr %02x"
            + " status %04x",
        cfg(nic, 0, 2),
        cfg(nic, 2, 2),
        cfg(nic, 8, 1),
        cfg(nic, 8, 4) >>> 8,
        cfg(nic, 0xe, 1),
        cfg(nic, 0x2c, 2),
        cfg(nic, 0x2e, 2),
        cfg(nic, 0x3d, 1),
        cfg(nic, 0x34, 1),
        cfg(nic, 6, 2));
  }

  private static List<String> capabilities(TestNic nic) {
    List<String> lines = new ArrayList<>();
    int at = (int) cfg(nic, 0x34, 1);
    while (at != 0 && lines.size() < 48) {
      int id = (int) cfg(nic, at, 1);
      int next = (int) cfg(nic, at + 1, 1);
      lines.add(
          switch (id) {
            case 0x11 -> msix(nic, at, next);
            case 0x09 -> vendor(nic, at, next);
            case 0x01 ->
                String.format("cap@%02x id=01 PM next=%02x bytes=%s", at, next, raw(nic, at, 8));
            case 0x10 ->
                String.format("cap@%02x id=10 PCIe next=%02x bytes=%s", at, next, raw(nic, at, 60));
            default -> String.format("cap@%02x id=%02x", at, id);
          });
      at = next;
    }
    return lines;
  }

  private static String msix(TestNic nic, int at, int next) {
    long control = cfg(nic, at + 2, 2);
    long table = cfg(nic, at + 4, 4);
    long pending = cfg(nic, at + 8, 4);
    return String.format(
        "cap@%02x id=11 MSI-X next=%02x msgctl=0x%04x (table size %d) table=0x%08x (bar %d off"
            + " 0x%x) pba=0x%08x (bar %d off 0x%x)",
        at,
        next,
        control,
        (control & 0x7ff) + 1,
        table,
        table & 7,
        table & ~7L,
        pending,
        pending & 7,
        pending & ~7L);
  }

  private static String vendor(TestNic nic, int at, int next) {
    long type = cfg(nic, at + 3, 1);
    String line =
        String.format(
            "cap@%02x id=09 next=%02x cap_len=%d cfg_type=%d bar=%d id=%d pad=%04x offset=0x%x"
                + " length=0x%x",
            at,
            next,
            cfg(nic, at + 2, 1),
            type,
            cfg(nic, at + 4, 1),
            cfg(nic, at + 5, 1),
            cfg(nic, at + 6, 2),
            cfg(nic, at + 8, 4),
            cfg(nic, at + 12, 4));
    if (type == 2) {
      line += String.format(" notify_off_multiplier=0x%x", cfg(nic, at + 16, 4));
    } else if (type == 5) {
      line += String.format(" pci_cfg_data=%08x", cfg(nic, at + 16, 4));
    }
    return line;
  }

  private static String raw(TestNic nic, int at, int count) {
    StringBuilder bytes = new StringBuilder();
    for (int i = 0; i < count; i++) {
      bytes.append(String.format("%02x", cfg(nic, at + i, 1)));
    }
    return bytes.toString();
  }

  private static long cfg(TestNic nic, int offset, int width) {
    return nic.function.configRead(offset, width);
  }
}
