package dev.virtiolab.integration.containers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.model.Capability;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.integration.containers.Docker.Subnet;
import dev.virtiolab.integration.kit.DockerEngine;
import dev.virtiolab.lab.socket.GuestListener;
import dev.virtiolab.lab.socket.GuestSocket;
import dev.virtiolab.net.fault.Fault;
import dev.virtiolab.testkit.Counters;
import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.containers.NetworkCable;
import dev.virtiolab.virtio.net.Drop;
import java.io.IOException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.images.builder.Transferable;
import org.testcontainers.lifecycle.Startables;

/**
 * A guest of this JVM and a container, on one container network of large frames. One cable serves
 * all guests, one after the other.
 */
@Timeout(120)
class GuestOnNetworkTest {
  /** Of IPv4 and ICMP. */
  private static final int HEADERS = 20 + 8;

  private static final int TAG_BYTES = 4;
  private static final int NETWORK_MTU = 9000;
  private static final int PORT = 9000;
  private static final int BYTES = 2_000_000;

  private static Subnet subnet;
  private static GenericContainer<?> peer;
  private static NetworkCable cable;

  @BeforeAll
  static void startThem() {
    DockerEngine.require();
    subnet = Subnet.make(NETWORK_MTU);
    peer =
        subnet.place(
            Docker.peer()
                .withCreateContainerCmdModifier(
                    command -> command.getHostConfig().withCapAdd(Capability.NET_ADMIN)),
            20);
    cable = NetworkCable.into(subnet.network());
    Startables.deepStart(peer, cable).join();
  }

  @AfterAll
  static void stopThem() {
    if (subnet != null) {
      cable.stop();
      peer.stop();
      subnet.close();
    }
  }

  /** One that the peer is known to, and which it knows. */
  private static Lab guest(int mtu) {
    Lab lab =
        Lab.start(GuestSpec.named("guest").address(subnet.address(200)).mtu(mtu).wiredTo(cable));
    lab.guest().await("an answer", Docker.SOON, guest -> guest.ping(peerAddress()).isComplete());
    return lab;
  }

  private static String peerAddress() {
    return subnet.address(20);
  }

  private static ExecResult pingGuest(int size) {
    return Docker.attempt(
        peer,
        "ping",
        "-c",
        "3",
        "-i",
        "0.05",
        "-W",
        "1",
        "-M",
        "do",
        "-s",
        Integer.toString(size),
        subnet.address(200));
  }

  // ---- MTU

  @ParameterizedTest
  @ValueSource(ints = {1280, 1450, 1500, 9000})
  void aPacketOfTheFullMtuPassesInOnePieceAndALongerOneDoesNot(int mtu) {
    try (Lab lab = guest(mtu)) {
      Guest guest = lab.guest();
      int full = mtu - HEADERS;
      Counters before = guest.counters();
      PingReport report = guest.ping(peerAddress(), ping -> ping.size(full));
      assertTrue(report.isComplete(), report::toString);
      assertEquals(3, guest.counters().minus(before).nic().framesFromGuest(), "frames");

      // One byte more goes in two pieces, which the guest's stack makes. The container knows
      // nothing
      // of the guest's MTU, and answers in one where that is what the network carries.
      report = guest.ping(peerAddress(), ping -> ping.size(full + TAG_BYTES + 1));
      Counters delta = guest.counters().minus(before);
      assertEquals(3 + 6, delta.nic().framesFromGuest(), "frames");
      assertEquals(mtu == NETWORK_MTU ? 0 : 3, report.lost().size(), report::toString);
      assertEquals(report.lost().size(), delta.nic().drops(Drop.RX_OVER_MTU));

      ExecResult whole = pingGuest(full);
      assertEquals(0, whole.getExitCode(), () -> whole.getStdout() + whole.getStderr());
      // What a VLAN tag takes has to be let pass, whatever it is used for.
      ExecResult tooLong = pingGuest(full + TAG_BYTES + 1);
      assertNotEquals(0, tooLong.getExitCode(), tooLong::getStdout);
      assertEquals(
          mtu == NETWORK_MTU,
          tooLong.getStderr().contains("essage too long"),
          "who refuses it: " + tooLong.getStderr());
    }
  }

  // ---- TCP

  @Test
  void bytesArriveAsTheyWereSentBothWays() throws Exception {
    try (Lab lab = guest(NETWORK_MTU)) {
      assertEquals(digest(random(1)), sendToContainer(lab.guest(), random(1), () -> {}));
      byte[] sent = fromContainer(lab.guest(), random(2));
      assertArrayEquals(random(2), sent);
    }
  }

  /** Pulled and plugged again and again, for as long as the transfer goes on. */
  @Test
  void tcpSurvivesACableThatIsPulledAgainAndAgain() throws Exception {
    try (Lab lab = guest(1500)) {
      Guest guest = lab.guest();
      // Slow enough that several pulls fall into it: 2 MB at 16 Mbit/s are a second.
      guest.wire().fromGuest().rate(16_000_000);
      int[] pulls = {0};
      String digest =
          sendToContainer(
              guest,
              random(3),
              () -> {
                long size = Docker.sizeOf(peer, "/tmp/got");
                if (size > 0 && size < BYTES && pulls[0] < 5) {
                  guest.wire().unplug();
                  guest.await("the driver sees no link", Docker.SOON, each -> !media(each));
                  pulls[0]++;
                  guest.wire().plugIn();
                  guest.await("the driver sees a link", Docker.SOON, GuestOnNetworkTest::media);
                }
              });
      assertEquals(digest(random(3)), digest);
      assertTrue(pulls[0] >= 2, pulls[0] + " pulls");
      assertTrue(guest.ping(peerAddress()).isComplete());
    }
  }

  private static boolean media(Guest guest) {
    return guest.ask(firmware -> firmware.network().mode().mediaPresent);
  }

  /**
   * What the container got, as its own sha256sum has it.
   *
   * @param meanwhile done again and again, until it has got all
   */
  private static String sendToContainer(Guest guest, byte[] bytes, Runnable meanwhile)
      throws Exception {
    Docker.run(peer, "rm", "-f", "/tmp/got");
    CompletableFuture<ExecResult> receiver =
        Docker.begin(
            peer,
            "timeout",
            "90",
            "socat",
            "-u",
            "TCP-LISTEN:" + PORT + ",reuseaddr",
            "CREATE:/tmp/got");
    Docker.awaitListener(peer, PORT);
    CompletableFuture<Void> sender = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(
            () -> {
              try (GuestSocket socket =
                  guest
                      .machine()
                      .tcp()
                      .connect(Ipv4Address.parse(peerAddress()), PORT, Docker.SOON)) {
                socket.timeout(Docker.SOON).output().write(bytes);
                socket.shutdownOutput();
                assertEquals(-1, socket.input().read());
                sender.complete(null);
              } catch (IOException | RuntimeException | AssertionError e) {
                sender.completeExceptionally(e);
              }
            });
    while (!receiver.isDone() && !sender.isCompletedExceptionally()) {
      meanwhile.run();
    }
    sender.get(60, TimeUnit.SECONDS);
    Docker.ending(receiver, Docker.SOON);
    return Docker.run(peer, "sha256sum", "/tmp/got").substring(0, 64);
  }

  private static byte[] fromContainer(Guest guest, byte[] bytes) throws Exception {
    peer.copyFileToContainer(Transferable.of(bytes), "/tmp/bytes");
    try (GuestListener listener = guest.machine().tcp().listen(PORT)) {
      CompletableFuture<ExecResult> sender =
          Docker.begin(
              peer,
              "timeout",
              "90",
              "socat",
              "-u",
              "FILE:/tmp/bytes",
              "TCP:" + subnet.address(200) + ":" + PORT);
      byte[] got;
      try (GuestSocket socket = listener.accept(Docker.SOON)) {
        got = socket.timeout(Docker.SOON).input().readNBytes(bytes.length + 1);
      }
      Docker.ending(sender, Docker.SOON);
      return got;
    }
  }

  private static byte[] random(long seed) {
    byte[] bytes = new byte[BYTES];
    new SplittableRandom(seed).nextBytes(bytes);
    return bytes;
  }

  private static String digest(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  // ---- loss

  /** 10,000 of them, as the system's ping counts them, against what the wire's journal says. */
  @Test
  void exactlyThePingsThatTheJournalNamesAreMissing() {
    try (Lab lab = guest(1500)) {
      Guest guest = lab.guest();
      // Nobody asks for the address again in the middle, and is not answered.
      Docker.run(
          peer,
          "ip",
          "neighbour",
          "replace",
          subnet.address(200),
          "lladdr",
          guest.mac().toString(),
          "nud",
          "permanent",
          "dev",
          "eth0");
      guest.wire().loss(0.05).reorder(0.1, Duration.ofMillis(3));
      ExecResult result =
          Docker.attempt(
              peer,
              "ping",
              "-c",
              "10000",
              "-i",
              "0.001",
              // With one under way at a time nobody could be overtaken.
              "-l",
              "3",
              "-W",
              "3",
              subnet.address(200));
      assertEquals(0, result.getExitCode(), result::getStderr);
      String seed = "-Dvirtiolab.seed=" + lab.seed();
      assertTrue(result.getStdout().contains("10000 packets transmitted"), seed);
      Set<Integer> missing = new TreeSet<>();
      for (int sequence = 1; sequence <= 10_000; sequence++) {
        missing.add(sequence);
      }
      Matcher reply = Pattern.compile("icmp_seq=(\\d+) ").matcher(result.getStdout());
      while (reply.find()) {
        missing.remove(Integer.valueOf(reply.group(1)));
      }
      assertEquals(0, cableDrops(), "frames that the kernel dropped at the cable's TAP");
      Set<Integer> dropped = guest.wire().journal().droppedPings();
      assertEquals(dropped, missing, seed);
      // Either way 5%: 975 in the middle, 29 apart.
      assertTrue(dropped.size() > 800 && dropped.size() < 1150, dropped.size() + " lost, " + seed);
      assertFalse(guest.wire().journal().pings(Fault.REORDERED).isEmpty(), seed);
      Docker.run(peer, "ip", "neighbour", "del", subnet.address(200), "dev", "eth0");
    }
  }

  private static long cableDrops() {
    return Docker.run(cable, "cat", "/sys/class/net/vlab0/statistics/tx_dropped")
        .lines()
        .mapToLong(Long::parseLong)
        .sum();
  }
}
