package dev.virtiolab.virtio.golden;

import static dev.virtiolab.virtio.fixture.LegacyDriver.CONFIG;
import static dev.virtiolab.virtio.fixture.LegacyDriver.CONFIG_VECTOR;
import static dev.virtiolab.virtio.fixture.LegacyDriver.DRIVER_FEATURES;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_NOTIFY;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_PFN;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_SELECT;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_SIZE;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_VECTOR;
import static dev.virtiolab.virtio.fixture.LegacyDriver.STATUS;

import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.LegacyDriver;
import dev.virtiolab.virtio.fixture.TestNic;
import dev.virtiolab.virtio.golden.GoldenText.Difference;
import dev.virtiolab.virtio.transport.DeviceKind;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The legacy interface, port by port, as in the recordings of QEMU 11.1 with {@code
 * disable-legacy=off}; docs/adr/0026-a-device-for-drivers-before-version-1.md gives the reasons for
 * the differences.
 */
class GoldenLegacyTest {
  private static final int MAC = 0x20;

  private final GoldenText golden = new GoldenText("q35-rootbus-transitional.txt");
  private final List<String> ours = new ArrayList<>();
  private TestNic nic;
  private LegacyDriver driver;

  private void use(DeviceKind kind) {
    nic = TestNic.of(kind);
    driver = new LegacyDriver(nic);
  }

  @AfterEach
  void close() {
    nic.close();
  }

  private void say(String format, Object... values) {
    ours.add(String.format(format, values));
  }

  private String ports(int width, String format) {
    return IntStream.iterate(0, at -> at < 32, at -> at + width)
        .mapToObj(at -> String.format(format, driver.read(at, width)))
        .collect(Collectors.joining(" "));
  }

  @ParameterizedTest
  @EnumSource(names = {"TRANSITIONAL", "LEGACY"})
  void atReset(DeviceKind kind) {
    use(kind);
    say("bytes: %s", ports(1, "%02x"));
    say("words: %s", ports(2, "%04x"));
    say("longs: %s", ports(4, "%08x"));
    for (int queue : new int[] {0, 1, 2, 3, 1023, 1024, 65535}) {
      driver.write(QUEUE_SELECT, 2, queue);
      say(
          "queue sel %d -> readback %d size=%d pfn=%x",
          queue,
          driver.read(QUEUE_SELECT, 2),
          driver.read(QUEUE_SIZE, 2),
          driver.read(QUEUE_PFN, 4));
    }
    GoldenText recorded =
        kind == DeviceKind.LEGACY ? new GoldenText("q35-rootbus-legacy.txt") : golden;
    GoldenText.compare(recorded.section("legacy interface at reset"), List.of(), ours);
  }

  @Test
  void statusAndFeatures() {
    use(DeviceKind.TRANSITIONAL);
    driver.status(1);
    say("ACKNOWLEDGE -> %02x", driver.status());
    driver.status(3);
    say("DRIVER -> %02x", driver.status());
    driver.write(DRIVER_FEATURES, 4, 0xffff_ffffL & ~(1L << 30));
    say("all but bit 30 accepted: readback %08x", driver.read(DRIVER_FEATURES, 4));
    driver.write(DRIVER_FEATURES, 4, MAC);
    say("MAC alone accepted: readback %08x", driver.read(DRIVER_FEATURES, 4));
    driver.write(DRIVER_FEATURES, 2, 0x8020);
    say("16 bits written: readback %08x", driver.read(DRIVER_FEATURES, 4));
    driver.write(DRIVER_FEATURES + 1, 1, 0xff);
    say("8 bits written in the middle: readback %08x", driver.read(DRIVER_FEATURES, 4));
    driver.write(DRIVER_FEATURES, 4, 0xffff_ffffL);
    say("bit 30 accepted: readback %08x", driver.read(DRIVER_FEATURES, 4));
    driver.status(7);
    say("DRIVER_OK -> %02x", driver.status());
    driver.write(STATUS, 4, 0x103);
    say("4 bytes written to status -> %02x", driver.status());
    driver.status(0);
    say("reset -> %02x, features %08x", driver.status(), driver.read(DRIVER_FEATURES, 4));
    GoldenText.compare(
        golden.section("status and features"),
        // An access that is not aligned is taken apart, not lost.
        List.of(
            new Difference("4 bytes written to status -> 07", "4 bytes written to status -> 03")),
        ours);
  }

  @Test
  void queueRegisters() {
    use(DeviceKind.TRANSITIONAL);
    for (int queue : new int[] {0, 2}) {
      driver.write(QUEUE_SELECT, 2, queue);
      driver.write(QUEUE_PFN, 4, 0x1234);
      say(
          "queue %d: pfn 1234 -> %x size %d",
          queue, driver.read(QUEUE_PFN, 4), driver.read(QUEUE_SIZE, 2));
    }
    driver.write(QUEUE_SIZE, 2, 128);
    say("size is read-only: %d", driver.read(QUEUE_SIZE, 2));
    driver.write(QUEUE_PFN, 2, 0x77);
    say("pfn, 16 bits written: %x", driver.read(QUEUE_PFN, 4));
    driver.write(QUEUE_PFN, 4, 0xffff_ffffL);
    say("pfn ffffffff: %x", driver.read(QUEUE_PFN, 4));
    driver.write(QUEUE_SELECT, 2, 3);
    driver.write(QUEUE_PFN, 4, 0x55);
    say(
        "queue 3, which does not exist: pfn %x size %d",
        driver.read(QUEUE_PFN, 4), driver.read(QUEUE_SIZE, 2));
    driver.write(QUEUE_SELECT, 4, 0x0001_0001);
    say("select, 4 bytes written: %d", driver.read(QUEUE_SELECT, 2));
    driver.kick(0xffff);
    driver.kick(1024);
    driver.kick(3);
    say("notify of queues that do not exist: status %02x", driver.status());
    driver.status(3);
    driver.write(QUEUE_SELECT, 2, 0);
    driver.write(QUEUE_PFN, 4, 0);
    say(
        "pfn 0 written: status %02x; pfn of queue 0 %x",
        driver.status(), driver.read(QUEUE_PFN, 4));
    driver.write(QUEUE_SELECT, 2, 2);
    say("and of queue 2 %x", driver.read(QUEUE_PFN, 4));
    GoldenText.compare(
        golden.section("queue registers"),
        List.of(new Difference("select, 4 bytes written: 3", "select, 4 bytes written: 1")),
        ours);
  }

  @Test
  void msixMovesTheConfiguration() {
    use(DeviceKind.TRANSITIONAL);
    say("off: %s", threeLongs());
    msix(true);
    say("on: %s", threeLongs());
    for (int vector : new int[] {0, 3, 4, 0xffff}) {
      driver.write(CONFIG_VECTOR, 2, vector);
      say("config vector %x -> %x", vector, driver.read(CONFIG_VECTOR, 2));
      driver.write(QUEUE_VECTOR, 2, vector);
      say("queue vector %x -> %x", vector, driver.read(QUEUE_VECTOR, 2));
    }
    driver.write(CONFIG_VECTOR, 2, 1);
    driver.write(QUEUE_VECTOR, 2, 2);
    msix(false);
    say("off again: at 14 %08x", driver.read(0x14, 4));
    msix(true);
    // QEMU forgets the vectors' use with the capability; what the registers hold stays.
    say("on again: at 14 %08x", driver.read(0x14, 4));
    driver.status(0);
    say("after a reset: at 14 %08x", driver.read(0x14, 4));
    GoldenText.compare(golden.section("MSI-X moves the configuration"), List.of(), ours);
  }

  private String threeLongs() {
    return String.format(
        "at 14 %08x at 18 %08x at 1c %08x",
        driver.read(0x14, 4), driver.read(0x18, 4), driver.read(0x1c, 4));
  }

  private void msix(boolean on) {
    int capability = (int) nic.function.configRead(0x34, 1);
    nic.function.configWrite(capability + 2, 2, on ? 0x8000 : 0);
  }

  @Test
  void deviceConfiguration() {
    use(DeviceKind.TRANSITIONAL);
    driver.write(CONFIG, 1, 0xaa);
    say("mac byte 0 written before features: %02x", driver.read(CONFIG, 1));
    driver.status(3);
    driver.write(DRIVER_FEATURES, 4, MAC);
    driver.status(7);
    driver.write(CONFIG + 1, 1, 0xbb);
    say("by a driver without CTRL_MAC_ADDR: %02x", driver.read(CONFIG + 1, 1));
    driver.status(0);
    say(
        "after a reset: %s",
        IntStream.range(CONFIG, CONFIG + 8)
            .mapToObj(at -> String.format("%02x", driver.read(at, 1)))
            .collect(Collectors.joining(" ")));
    driver.status(3);
    driver.write(DRIVER_FEATURES, 4, 0x82_0020);
    driver.status(7);
    driver.write(CONFIG, 1, 0xcc);
    say("by a driver with CTRL_MAC_ADDR: %02x", driver.read(CONFIG, 1));
    driver.write(CONFIG + 6, 2, 0);
    say("link status written: %04x", driver.read(CONFIG + 6, 2));
    driver.status(0);
    say("a word that straddles the end: %04x", driver.read(CONFIG + 8, 2));
    GoldenText.compare(golden.section("device configuration"), List.of(), ours);
  }

  // ---- rings

  private void begin(long features) {
    driver.negotiate(features);
    driver.setUp(1, false);
  }

  private void sendOne() {
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
  }

  private void show(String what) {
    DriverRing ring = nic.transmitRing();
    // used.idx and the first element, little-endian.
    String used =
        String.format(
            "%04x%08x%08x",
            Short.toUnsignedInt(Short.reverseBytes((short) ring.usedIdx())),
            Integer.reverseBytes(ring.usedElementId(0)),
            Integer.reverseBytes(ring.usedElementLength(0)));
    say("%-66s status=%02x isr=%02x used=%s", what, driver.status(), driver.isr(), used);
  }

  @Test
  void rings() {
    use(DeviceKind.TRANSITIONAL);
    begin(MAC);
    driver.status(7);
    sendOne();
    show("10 bytes of header, 60 of frame");
    begin(MAC | 1 << 15);
    driver.status(7);
    sendOne();
    show("MRG_RXBUF: 12 bytes of header, 60 of frame");
    begin(MAC);
    driver.status(7);
    nic.transmitRing().rawAvailFlags(1);
    sendOne();
    show("NO_INTERRUPT");
    begin(MAC | 1 << 24);
    driver.status(7);
    nic.transmitRing().rawAvailFlags(1);
    sendOne();
    show("NO_INTERRUPT, and NOTIFY_ON_EMPTY negotiated");
    begin(MAC);
    driver.status(7);
    nic.transmitRing().rawAvailEntry(0, 256);
    nic.transmitRing().rawAvailIdx(1);
    driver.kick(1);
    nic.device.poll(8);
    show("head 256");
    driver.status(7);
    show("DRIVER_OK again");
    begin(MAC);
    driver.status(7);
    sendOne();
    show("after a reset");
    begin(MAC);
    sendOne();
    show("a kick before DRIVER_OK");
    driver.status(7);
    nic.device.poll(8);
    show("and DRIVER_OK");
    begin(MAC);
    driver.write(QUEUE_SELECT, 2, 1);
    driver.write(QUEUE_PFN, 4, 0xffff_0000L);
    driver.status(7);
    driver.write(QUEUE_NOTIFY, 2, 1);
    nic.device.poll(8);
    show("a queue where no memory is");
    List<String> recorded = golden.section("rings");
    List<Difference> differences = new ArrayList<>();
    // DEVICE_NEEDS_RESET is shown to a legacy driver, too, and a queue that is nowhere is an error.
    differ(differences, recorded, "head 256", "status=07 isr=00", "status=47 isr=03");
    differ(differences, recorded, "DRIVER_OK again", "status=07", "status=47");
    differ(
        differences,
        recorded,
        "a queue where no memory is",
        "status=07 isr=00",
        "status=47 isr=03");
    // "MUST support the driver using the device before the step 8" (3.1.2): QEMU lets it wait.
    differ(
        differences, recorded, "a kick before DRIVER_OK", "isr=00 used=0000", "isr=01 used=0100");
    differ(differences, recorded, "and DRIVER_OK", "isr=01", "isr=00");
    GoldenText.compare(recorded, differences, ours);
  }

  private static void differ(
      List<Difference> differences, List<String> recorded, String line, String qemu, String ours) {
    String found =
        recorded.stream().filter(each -> each.startsWith(line + " ")).findFirst().orElseThrow();
    differences.add(new Difference(found, found.replace(qemu, ours)));
  }
}
