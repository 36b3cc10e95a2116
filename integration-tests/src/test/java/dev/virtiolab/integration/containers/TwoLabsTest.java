package dev.virtiolab.integration.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.integration.containers.TwoLabs.LabWire;
import dev.virtiolab.integration.kit.DockerEngine;
import dev.virtiolab.testkit.containers.LabContainer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.images.builder.Transferable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Guest to guest across two containers, by every wire that leads from one machine to another. */
@ParameterizedClass
@EnumSource(LabWire.class)
@Timeout(180)
class TwoLabsTest {
  /** Of IPv4 and ICMP. */
  private static final int HEADERS = 20 + 8;

  private static final int ETHERNET_BYTES = 14;
  private static final int TAG_BYTES = 4;
  private static final int VLAN = 7;

  private static TwoLabs labs;

  @Parameter LabWire wire;

  @BeforeParameterizedClassInvocation
  static void start(LabWire wire, @TempDir Path folder) {
    DockerEngine.require();
    labs = TwoLabs.start(wire, folder);
  }

  @AfterParameterizedClassInvocation
  static void stop() {
    if (labs != null) {
      labs.close();
      labs = null;
    }
  }

  @Test
  void eachPingsTheOther() {
    assertTrue(ping(labs.left, TwoLabs.RIGHT, 56).contains(" 5 received"));
    assertTrue(ping(labs.right, TwoLabs.LEFT, 56).contains(" 5 received"));
  }

  private static String ping(GenericContainer<?> from, String to, int size) {
    return Docker.run(
        from,
        "ping",
        "-c",
        "5",
        "-i",
        "0.05",
        "-W",
        "5",
        "-M",
        "do",
        "-s",
        Integer.toString(size),
        to);
  }

  // ---- MTU

  @Test
  void aPacketOfTheFullMtuPassesUncutAndOneByteMoreDoesNot() {
    assertEquals(wire.mtu, labs.mtuOf(labs.left));
    assertEquals(wire.mtu, labs.mtuOf(labs.right));
    int full = wire.mtu - HEADERS;
    assertTrue(ping(labs.left, TwoLabs.RIGHT, full).contains(" 5 received"));
    assertTrue(ping(labs.right, TwoLabs.LEFT, full).contains(" 5 received"));

    // The kernel knows, and does not even try.
    ExecResult refused = pingOnce(full + 1);
    assertNotEquals(0, refused.getExitCode(), refused::getStdout);
    assertTrue(refused.getStderr().contains("essage too long"), refused::getStderr);

    // One that does not: the guest's driver and its NIC have the last word. They have to let what a
    // VLAN tag takes pass.
    setMtu(wire.mtu + 100);
    try {
      long before = echoesAt(labs.rightTools);
      ExecResult lost = pingOnce(full + TAG_BYTES + 1);
      assertNotEquals(0, lost.getExitCode(), lost::getStdout);
      assertEquals("", lost.getStderr());
      assertEquals(before, echoesAt(labs.rightTools), "requests that arrived");
      assertEquals(0, pingOnce(full).getExitCode());
    } finally {
      setMtu(wire.mtu);
    }
  }

  private static ExecResult pingOnce(int size) {
    return Docker.attempt(
        labs.left,
        "ping",
        "-c",
        "1",
        "-W",
        "1",
        "-M",
        "do",
        "-s",
        Integer.toString(size),
        TwoLabs.RIGHT);
  }

  private static void setMtu(int bytes) {
    Docker.run(labs.leftTools, "ip", "link", "set", "tap0", "mtu", Integer.toString(bytes));
  }

  /** RFC 1213, icmpInEchos: echo requests that the kernel got. */
  private static long echoesAt(GenericContainer<?> container) {
    List<String[]> lines =
        Docker.run(container, "grep", "^Icmp:", "/proc/net/snmp")
            .lines()
            .map(line -> line.split(" "))
            .toList();
    int column = Arrays.asList(lines.get(0)).indexOf("InEchos");
    return Long.parseLong(lines.get(1)[column]);
  }

  // ---- frames that are no ordinary ones

  /** IEEE 802.1Q-2022, 9.6: 4 bytes more than any other frame of the same MTU. */
  @Test
  void taggedFramesPassByteForByte() throws Exception {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    int longest = ETHERNET_BYTES + TAG_BYTES + wire.mtu;
    List<byte[]> frames =
        List.of(
            tagged(random, 64),
            tagged(random, longest - TAG_BYTES),
            tagged(random, longest - 1),
            tagged(random, longest));
    CompletableFuture<ExecResult> capture =
        Docker.begin(
            labs.rightTools,
            "sh",
            "-c",
            "timeout 60 tcpdump -i tap0 -c 4 -n -xx -e vlan " + VLAN + " 2>/tmp/vlan.err");
    Docker.await(
        "tcpdump listens",
        () ->
            Docker.sizeOf(labs.rightTools, "/tmp/vlan.err") > 0
                && Docker.run(labs.rightTools, "cat", "/tmp/vlan.err").contains("listening"));
    for (byte[] frame : frames) {
      send(labs.leftTools, frame);
    }
    String text = Docker.ending(capture, Docker.SOON);
    List<String> seen = Arrays.stream(text.split("\n(?=\\S)")).map(TwoLabsTest::hex).toList();
    List<String> sent = frames.stream().map(HexFormat.of()::formatHex).toList();
    assertEquals(sent, seen, "-Dvirtiolab.seed=" + seed);
  }

  private static byte[] tagged(SplittableRandom random, int length) {
    byte[] frame = new byte[length];
    random.nextBytes(frame);
    byte[] head =
        HexFormat.of()
            .parseHex(
                (TwoLabs.RIGHT_MAC + TwoLabs.LEFT_MAC).replace(":", "")
                    + "8100%04x88b5".formatted(VLAN));
    System.arraycopy(head, 0, frame, 0, head.length);
    return frame;
  }

  /** By a packet socket at the TAP. */
  private static void send(GenericContainer<?> tools, byte[] frame) {
    tools.copyFileToContainer(Transferable.of(frame), "/tmp/frame");
    Docker.run(tools, "socat", "-u", "-b", "65536", "FILE:/tmp/frame", "INTERFACE:tap0");
  }

  /** The digits of one frame as {@code tcpdump -xx} has them. */
  private static String hex(String dump) {
    return dump.lines()
        .filter(line -> line.startsWith("\t0x"))
        .map(line -> line.substring(line.indexOf(':') + 1).replace(" ", ""))
        .collect(Collectors.joining());
  }

  /** RFC 919 and RFC 1112, 4: both kernels answer, since both NICs hear it. */
  @ParameterizedTest
  @CsvSource({"192.0.2.255, -b", "224.0.0.1, -B"})
  void whatIsForEverybodyIsHeardByTheOtherToo(String everybody, String option) {
    String text =
        Docker.run(
            labs.leftTools,
            "ping",
            "-c",
            "2",
            "-i",
            "1",
            "-W",
            "5",
            option,
            "-I",
            TwoLabs.LEFT,
            everybody);
    assertTrue(text.contains("bytes from " + TwoLabs.LEFT + ":"), text);
    assertTrue(text.contains("bytes from " + TwoLabs.RIGHT + ":"), text);
  }

  // ---- load

  @Test
  void iperf3CrossesBothNicsAndIsCounted() {
    for (boolean reverse : new boolean[] {false, true}) {
      LabContainer sender = reverse ? labs.right : labs.left;
      LabContainer receiver = reverse ? labs.left : labs.right;
      // The sender first, and after the run last: what is under way in between is sent, not
      // received.
      Map<String, Long> sent = sender.metrics();
      Map<String, Long> received = receiver.metrics();
      JsonNode report = iperf(reverse);
      long bytes = report.at("/end/sum_received/bytes").asLong();
      assertTrue(bytes > 100_000, report::toString);

      // Each segment crosses each NIC once, whichever way.
      long in = more(receiver, received, "bytes", "to_guest");
      long out = more(sender, sent, "bytes", "from_guest");
      assertTrue(out >= bytes, "sent " + out + ", of iperf3 " + bytes);
      assertTrue(in >= bytes, "received " + in + ", of iperf3 " + bytes);
      assertTrue(in <= out, "received " + in + ", sent " + out);
    }
  }

  private static JsonNode iperf(boolean reverse) {
    String[] command = {"iperf3", "-J", "-t", "1", "-c", TwoLabs.RIGHT, reverse ? "-R" : "-4"};
    return JsonMapper.shared().readTree(Docker.run(labs.leftTools, command));
  }

  private static long more(LabContainer lab, Map<String, Long> before, String what, String way) {
    String name = "virtiolab_nic_%s_total{direction=\"%s\"}".formatted(what, way);
    return lab.metrics().get(name) - before.get(name);
  }
}
