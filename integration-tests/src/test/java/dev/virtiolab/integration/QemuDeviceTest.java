package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab ping --device qemu}: the guest's drivers on a network card that is not ours. */
class QemuDeviceTest {
  private static final String QEMU = "qemu-system-x86_64";

  @TempDir Path folder;

  @BeforeEach
  void requireQemuAndPing() {
    QemuHub.assumeInstalled();
    Requirements.assumeProgram("ping", "iputils-ping");
    Requirements.assumeProgram("ip", "iproute2");
    Requirements.assumeProgram("setpriv", "util-linux");
  }

  // ---- nothing is lost

  @ParameterizedTest
  @CsvSource({
    "root-bus,  host,  0",
    "root-bus,  host,  56",
    "root-bus,  host,  1472",
    "root-bus,  host,  1473",
    "root-bus,  host,  65507",
    "root-bus,  guest, 65507",
    "root-port, host,  56",
    "root-port, guest, 1473",
  })
  void everyRequestIsAnswered(String slot, String from, int size) {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      JsonNode report =
          ping(vlab, "-c", "3", "--slot", slot, "--from", from, "--size", "" + size, pace(size));

      assertComplete(report, 3);
      JsonNode traffic = report.at("/traffic");
      assertEquals("pc", traffic.at("/platform").asString());
      assertEquals(slot.equals("root-bus") ? "00:04.0" : "01:00.0", traffic.at("/slot").asString());
      assertTrue(traffic.at("/emulator/name").asString().startsWith("QEMU "), report::toString);
      // As many frames each way: an ARP exchange or two, and each request in its pieces.
      int pieces = (size + 8 + 1479) / 1480;
      for (String way : List.of("/to_guest", "/from_guest")) {
        long frames = traffic.at("/frames" + way).asLong();
        assertTrue(frames >= 3 * pieces + 1 && frames <= 3 * pieces + 3, report::toString);
      }
      assertTrue(traffic.at("/queues/interrupts").isNull(), report::toString);
      // The rings and the receive area; everything else was taken back.
      assertEquals(3, traffic.at("/dma/open").asLong(), report::toString);
      vlab.assertNothingLeft();
    }
  }

  /** The driver for the legacy interface on the device that it was written for. */
  @ParameterizedTest
  @CsvSource({"transitional, host, 56", "transitional, guest, 1473", "legacy, host, 65507"})
  void everyRequestIsAnsweredThroughTheLegacyInterface(String virtio, String from, int size) {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      JsonNode report =
          ping(
              vlab, "-c", "3", "--virtio", virtio, "--from", from, "--size", "" + size, pace(size));
      assertComplete(report, 3);
      assertEquals(2, report.at("/traffic/features").size(), report::toString);
      assertEquals(0, report.at("/traffic/dma/maps").asLong(), report::toString);
      vlab.assertNothingLeft();
    }
  }

  /** A kernel keeps one such datagram at most while it asks for the guest's address. */
  private static String pace(int size) {
    return "--flood=" + (size < 10_000);
  }

  @ParameterizedTest
  @CsvSource({"9216, 9188", "1280, 1252", "68, 40"})
  void whatFillsTheMtuCrossesInOnePiece(int mtu, int size) {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      JsonNode report =
          ping(
              vlab, "-c", "3", "--mtu", "" + mtu, "--size", "" + size, "--flood", "--", "-M", "do");
      assertComplete(report, 3);
      assertTrue(report.at("/traffic/features").toString().contains("VIRTIO_NET_F_MTU"));
      assertTrue(report.at("/traffic/frames/from_guest").asLong() <= 3 + 2, report::toString);
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @CsvSource({"host, 1000", "guest, 300"})
  void aFloodLosesNothing(String from, int count) {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      assertComplete(ping(vlab, "--flood", "--count", "" + count, "--from", from), count);
      vlab.assertNothingLeft();
    }
  }

  @Test
  void theSummarySaysWhoseDeviceItWas() {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run("ping", "--device", "qemu", "--count", "2");

      assertEquals(0, ended.exitCode(), ended.err());
      assertTrue(ended.out().contains("2 packets transmitted, 2 received, 0% packet loss"));
      assertTrue(ended.out().contains("--- virtio-net 00:04.0 of QEMU "), ended::out);
      assertTrue(ended.out().contains("registers read"), ended::out);
      assertEquals("", ended.err());
      vlab.assertNothingLeft();
    }
  }

  // ---- on any wire, for anybody

  @Test
  void anOrdinaryUserNeedsNoRights() {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asOrdinaryUser("666")) {
      assertComplete(ping(vlab, "--count", "2", "--flood"), 2);
      vlab.assertNothingLeft();
    }
  }

  @Test
  void whereThereIsNoTapASecondGuestPingsTheFirst() {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asOrdinaryUser("000")) {
      JsonNode report = ping(vlab, "--flood", "--count", "50");
      assertComplete(report, 50);
      assertEquals("stream", report.at("/wire").asString());
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "stream:listen:unix:far, stream:unix:far",
    "dgram:unix:far;unix:near, dgram:unix:near;unix:far"
  })
  void aGuestOfAnotherLabIsReached(String there, String here) {
    try (Vlab up = Vlab.asMyself();
        Vlab vlab = Vlab.asMyself()) {
      up.start("up", "--json", "--backend", inFolder(there));
      up.awaitOutput("}");
      JsonNode report = ping(vlab, "--flood", "--count", "100", "--backend", inFolder(here));
      assertComplete(report, 100);
      vlab.assertNothingLeft();
      up.interrupt();
      assertEquals("", up.await().err());
      up.assertNothingLeft();
    }
  }

  private String inFolder(String backend) {
    return backend.replace("unix:", "unix:" + folder + "/").replace(';', ',');
  }

  @Test
  void exactlyThosePingsAreMissingThatTheWireLost() throws Exception {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      Path pcap = vlab.out("frames.pcapng");
      Vlab.Ended ended =
          vlab.run(
              "ping",
              "--device",
              "qemu",
              "--json",
              "-c",
              "40",
              "--seed",
              "3",
              "--fault",
              "loss=20%",
              "--pcap",
              pcap.toString(),
              "--",
              "-i",
              "0.02",
              "-W",
              "1");
      assertEquals(1, ended.exitCode(), ended.err());
      JsonNode report = JsonMapper.shared().readTree(ended.out());
      int dropped =
          report.at("/faults/dropped_pings/requests").size()
              + report.at("/faults/dropped_pings/replies").size();
      assertTrue(dropped > 0, report::toString);
      assertEquals(40 - dropped, report.at("/ping/received").asInt(), report::toString);
      // Every frame that the NIC sent or got, as on any wire.
      assertTrue(Files.size(pcap) > 98 * report.at("/traffic/frames/to_guest").asLong());
      vlab.assertNothingLeft();
    }
  }

  /** Two QEMUs, two guests of two labs, and the drivers of ours on both sides. */
  @Test
  void upKeepsAGuestOnQemusDevice() {
    try (Vlab up = Vlab.asMyself();
        Vlab vlab = Vlab.asMyself()) {
      up.start("up", "--device", "qemu", "--backend", inFolder("stream:listen:unix:far"));
      up.awaitOutput("Ctrl-C ends it.");
      JsonNode report = ping(vlab, "--flood", "-c", "50", "--backend", inFolder("stream:unix:far"));
      assertComplete(report, 50);
      up.interrupt();
      Vlab.Ended ended = up.await();
      assertEquals("", ended.err());
      assertTrue(ended.out().contains("--- virtio-net 00:04.0 of QEMU "), ended::out);
      up.assertNothingLeft();
    }
  }

  // ---- bad days

  @Test
  void upEndsWithQemu() {
    Requirements.assumeRoot();
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("up", "--device", "qemu");
      vlab.awaitOutput("Ctrl-C ends it.");
      assertEquals(1, vlab.killChildren(QEMU));
      Vlab.Ended ended = vlab.await();
      assertRefused(ended, 1, "QEMU ended with exit code 137");
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @CsvSource({"host", "guest"})
  void aQemuThatIsKilledEndsItWithOneLine(String from) {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("ping", "--device", "qemu", "--count", "1000", "--from", from);
      vlab.awaitOutput("icmp_seq=2");
      assertEquals(1, vlab.killChildren(QEMU));
      Vlab.Ended ended = vlab.await();

      assertEquals(1, ended.exitCode(), ended.err());
      assertEquals("vlab: QEMU ended with exit code 137\n", ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aQemuThatFallsSilentEndsItWithOneLine() {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("ping", "--device", "qemu", "--count", "1000");
      vlab.awaitOutput("icmp_seq=2");
      vlab.signalChildren(QEMU, "STOP");
      Vlab.Ended ended = vlab.await();

      assertEquals(1, ended.exitCode(), ended.err());
      assertEquals("vlab: QEMU's qtest socket: no answer in 10000 ms\n", ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void ctrlCEndsItInOrderWithASummaryAndLeavesNothing() {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("ping", "--device", "qemu", "--count", "1000");
      vlab.awaitOutput("icmp_seq=2");
      vlab.interrupt();
      Vlab.Ended ended = vlab.await();

      assertEquals(130, ended.exitCode(), ended.err());
      assertEquals("", ended.err());
      assertTrue(ended.out().contains(" 0% packet loss"), ended::out);
      assertTrue(ended.out().contains("--- virtio-net 00:04.0 of QEMU "), ended::out);
      vlab.assertNothingLeft();
    }
  }

  @Test
  void killedOutrightItStillLeavesNothing() {
    Requirements.assumeTap();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("ping", "--device", "qemu", "--count", "1000");
      vlab.awaitOutput("icmp_seq=1");
      vlab.signal("KILL");
      vlab.await();

      vlab.assertNoProcessAndNoInterfaceLeft();
      assertFalse(
          vlab.temporaryFiles().stream().anyMatch(file -> file.toString().contains("vlab-qemu")),
          () -> "left: " + vlab.temporaryFiles());
    }
  }

  @Test
  void withoutQemuOneLineSaysWhatToInstall() {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself().without(QEMU)) {
      Vlab.Ended ended = vlab.run("ping", "--device", "qemu");
      assertRefused(ended, 2, "install the package qemu-system-x86");
      vlab.assertNothingLeft();
    }
  }

  /** A script takes QEMU's place, and QEMU's own words or another QEMU's are what it says. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "echo QEMU emulator version 7.1.0 ; 2 ; is version 7.1.0, and 7.2 or later is needed",
        "echo hello ; 2 ; does not say which QEMU it is: hello",
        "exec REAL \"$@\" -device nonsense ; 1 ; QEMU ended with exit code 1: ",
        "exec REAL $(echo \"$@\" | sed s/q35/pc/) ; 1 ; 00:00.0 is 12378086, not the host bridge",
        "exec REAL $(echo \"$@\" | sed s/-qtest./-monitor\\\\x20/) ; 1 ; of its byte order",
      })
  void aQemuThatIsAnotherIsRefusedInOneLine(String script, int exitCode, String words) {
    Requirements.assumeTap();
    String version = "[ \"$1\" = --version ] && exec REAL \"$@\"\n";
    String text = (script.startsWith("exec") ? version + script : script);
    try (Vlab vlab =
        Vlab.asMyself().with(QEMU, text.replace("REAL", Vlab.program(QEMU).toString()) + "\n")) {
      Vlab.Ended ended = vlab.run("ping", "--device", "qemu");
      assertRefused(ended, exitCode, words);
      vlab.assertNothingLeft();
    }
  }

  private static void assertRefused(Vlab.Ended ended, int exitCode, String words) {
    assertEquals(exitCode, ended.exitCode(), ended.err() + ended.out());
    assertEquals(1, ended.err().lines().count(), ended.err());
    assertTrue(ended.err().contains(words), ended.err());
  }

  private static JsonNode ping(Vlab vlab, String... arguments) {
    List<String> command = new ArrayList<>(List.of("ping", "--device", "qemu", "--json"));
    command.addAll(List.of(arguments));
    Vlab.Ended ended = vlab.run(command.toArray(String[]::new));
    assertEquals(0, ended.exitCode(), ended.err() + ended.out());
    return JsonMapper.shared().readTree(ended.out());
  }

  private static void assertComplete(JsonNode report, int count) {
    assertEquals("qemu", report.at("/device").asString());
    assertEquals(count, report.at("/ping/sent").asInt(), report::toString);
    assertEquals(count, report.at("/ping/received").asInt(), report::toString);
    assertEquals(0, report.at("/ping/loss_percent").asDouble(), report::toString);
    assertEquals(0, report.at("/traffic/frames/dropped").asLong(), report::toString);
  }
}
