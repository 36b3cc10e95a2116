package dev.virtiolab.integration.soak;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.socket.GuestListener;
import dev.virtiolab.lab.socket.GuestSocket;
import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.PingPlan;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.Wiring;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Guests that live for the whole soak, and what befalls them in each round, in an order that is
 * drawn. Each step ends with all as it was, and throws if anything did not turn out as it must.
 *
 * <pre>
 *   alice (sev) - bob (pc) - carol (vtd) - dave (noncoherent)     on the lab's own switch
 *   erin - TAP - kernel
 *   frank - VXLAN - grace
 * </pre>
 */
final class SoakRound implements AutoCloseable {
  /** A machine that is busy with something else is no failure. */
  private static final Duration SOON = Duration.ofMinutes(5);

  private static final String KERNEL = "198.51.100.1";
  private static final int TRANSFER_BYTES = 2 << 20;
  private static final int PINGS = 500;
  private static final int RESETS = 10;

  private static final String FRANKS_WIRE = "vxlan:127.0.0.1:4789,vni=7,peer=127.0.0.2:4790";
  private static final String GRACES_WIRE = "vxlan:127.0.0.2:4790,vni=7,peer=127.0.0.1:4789";

  /** Something that is done to the guests. */
  private interface Step {
    void run() throws Exception;
  }

  /** One with its name, for whoever reads why a soak failed. */
  private record Named(String name, Step step) {}

  private final SplittableRandom random;
  private final Lab lab;
  private final Guest alice;
  private final Guest bob;
  private final Guest carol;
  private final Guest dave;
  private final Guest erin;
  private final Guest frank;
  private final Guest grace;
  private final List<Named> steps;

  private SoakRound(long seed, Lab lab) {
    random = new SplittableRandom(seed);
    this.lab = lab;
    alice = lab.guest("alice");
    bob = lab.guest("bob");
    carol = lab.guest("carol");
    dave = lab.guest("dave");
    erin = lab.guest("erin");
    frank = lab.guest("frank");
    grace = lab.guest("grace");
    steps =
        List.of(
            new Named("a cable that is pulled", this::flapLink),
            new Named("a NIC that is reset in mid-traffic", this::resetInTraffic),
            new Named("a NIC that breaks", this::breakAndMend),
            new Named("a partition", this::partition),
            new Named("TCP from guest to guest", () -> transfer(alice, carol)),
            new Named("TCP from guest to kernel", this::transferToKernel),
            new Named("TCP from kernel to guest", this::transferFromKernel),
            new Named("TCP across VXLAN", () -> transfer(frank, grace)),
            new Named("a capture that is saved", this::saveCapture),
            new Named("guests that come, meet faults, and go", this::comeAndGo));
  }

  /**
   * Boots the guests. The process is in a network namespace of its own.
   *
   * @param seed what order, faults and data follow from
   */
  static SoakRound open(long seed) {
    return new SoakRound(
        seed,
        Lab.start(
            OptionalLong.of(seed),
            List.of(
                GuestSpec.named("alice").platform(PlatformKind.SEV),
                GuestSpec.named("bob"),
                GuestSpec.named("carol").platform(PlatformKind.VTD),
                GuestSpec.named("dave").platform(PlatformKind.NONCOHERENT),
                GuestSpec.named("erin")
                    .address("198.51.100.2")
                    .wiredTo(Wiring.tap("", KERNEL + "/24")),
                GuestSpec.named("frank")
                    .address("203.0.113.1")
                    .wiredTo(Wiring.backend(FRANKS_WIRE)),
                GuestSpec.named("grace")
                    .address("203.0.113.2")
                    .wiredTo(Wiring.backend(GRACES_WIRE)))));
  }

  /** Does everything once. */
  void run() {
    List<Named> order = new ArrayList<>(steps);
    Collections.shuffle(order, new Random(random.nextLong()));
    for (Named each : order) {
      try {
        each.step.run();
      } catch (Exception | AssertionError e) {
        throw new AssertionError(each.name + ": " + e.getMessage(), e);
      }
    }
  }

  private static void require(boolean holds, Object evidence) {
    if (!holds) {
      throw new AssertionError("not as it must be: " + evidence);
    }
  }

  // ---- steps

  private void flapLink() {
    bob.wire().unplug();
    bob.await("the driver sees no link", SOON, guest -> !hasMedia(guest));
    bob.wire().plugIn();
    bob.await("the driver sees a link", SOON, SoakRound::hasMedia);
    requirePing(bob, carol);
  }

  private static boolean hasMedia(Guest guest) {
    return guest.ask(firmware -> firmware.network().mode().mediaPresent);
  }

  private void resetInTraffic() throws Exception {
    requirePing(carol, dave);
    CompletableFuture<PingReport> series =
        carol.startPing(
            PingPlan.to(dave.address()).count(100).interval(Duration.ofMillis(1)).size(4000));
    for (int i = 0; i < RESETS; i++) {
      carol.resetNic();
    }
    PingReport report = series.get(SOON.toSeconds(), TimeUnit.SECONDS);
    require(report.sent() == 100, report);
    requirePing(carol, dave);
  }

  private void breakAndMend() {
    dave.breakNic();
    dave.awaitBroken(SOON);
    dave.resetNic();
    requirePing(dave, alice);
  }

  private void partition() {
    lab.partition("alice", "bob");
    requirePing(alice, bob);
    PingReport none = alice.ping(carol, plan -> plan.patience(Duration.ofMillis(200)));
    require(none.answered().isEmpty(), none);
    lab.healPartition();
    alice.await("alice finds carol again", SOON, guest -> guest.ping(carol).isComplete());
  }

  private void saveCapture() throws IOException {
    Path file = Files.createTempFile("soak", ".pcapng");
    try {
      erin.saveCapture(file, "soak");
      require(Files.size(file) > 0, file);
    } finally {
      Files.delete(file);
    }
  }

  /**
   * A wire keeps a journal of every frame that a fault befell, for as long as its guest lives. So
   * it is on the wires of guests that do not stay that faults are many.
   */
  private void comeAndGo() throws Exception {
    try (Lab visitors =
        Lab.start(
            OptionalLong.of(random.nextLong()),
            List.of(
                GuestSpec.named("one").platform(PlatformKind.SEV),
                GuestSpec.named("two").platform(PlatformKind.VTD)))) {
      Guest one = visitors.guest("one");
      Guest two = visitors.guest("two");
      requirePing(one, two); // each knows the other's Ethernet address
      pingWithLoss(one, two);
      one.wire().heal().loss(0.01).duplicate(0.01).delay(Duration.ofMillis(1));
      transfer(one, two);
    }
  }

  private static void pingWithLoss(Guest from, Guest to) {
    from.wire().loss(0.05).reorder(0.1, Duration.ofMillis(3));
    PingReport report = from.ping(to, plan -> plan.count(PINGS).interval(Duration.ofMillis(1)));
    require(report.sent() == PINGS && !report.lost().isEmpty(), report);
    require(report.lost().equals(from.wire().journal().droppedPings()), report);
  }

  private static void requirePing(Guest from, Guest to) {
    PingReport report = from.ping(to);
    require(report.isComplete(), report);
  }

  // ---- transfers

  private void transfer(Guest from, Guest to) throws Exception {
    try (GuestListener listener = to.machine().tcp().listen(0)) {
      Far<String> received =
          Far.begin(
              () -> {
                try (GuestSocket socket = listener.accept(SOON)) {
                  return digestOf(socket.timeout(SOON).input());
                }
              });
      try (GuestSocket socket = connect(from, to.address(), listener.port())) {
        require(send(socket.output(), socket::shutdownOutput).equals(received.await()), to);
      }
    }
  }

  private void transferToKernel() throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getByName(KERNEL))) {
      Far<String> received =
          Far.begin(
              () -> {
                try (Socket socket = listener.accept()) {
                  return digestOf(socket.getInputStream());
                }
              });
      try (GuestSocket socket = connect(erin, Ipv4Address.parse(KERNEL), listener.getLocalPort())) {
        require(send(socket.output(), socket::shutdownOutput).equals(received.await()), erin);
      }
    }
  }

  private void transferFromKernel() throws Exception {
    try (GuestListener listener = erin.machine().tcp().listen(0)) {
      Far<String> received =
          Far.begin(
              () -> {
                try (GuestSocket socket = listener.accept(SOON)) {
                  return digestOf(socket.timeout(SOON).input());
                }
              });
      try (Socket socket = new Socket()) {
        socket.connect(
            new InetSocketAddress(erin.address().toString(), listener.port()),
            (int) SOON.toMillis());
        require(
            send(socket.getOutputStream(), socket::shutdownOutput).equals(received.await()), erin);
      }
    }
  }

  private static GuestSocket connect(Guest from, Ipv4Address to, int port) throws IOException {
    return from.machine().tcp().connect(to, port, SOON).timeout(SOON);
  }

  /** Sends what is drawn, and says what its digest is. */
  private String send(OutputStream to, Closing end) throws IOException {
    byte[] data = new byte[TRANSFER_BYTES];
    random.nextBytes(data);
    to.write(data);
    end.run();
    return HexFormat.of().formatHex(sha256().digest(data));
  }

  /** Ends one direction of a connection. */
  private interface Closing {
    void run() throws IOException;
  }

  private static String digestOf(InputStream from) throws IOException {
    MessageDigest digest = sha256();
    byte[] buffer = new byte[1 << 16];
    for (int bytes = from.read(buffer); bytes >= 0; bytes = from.read(buffer)) {
      digest.update(buffer, 0, bytes);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The far end of a transfer: a thread that is gone when its result is there. */
  private record Far<T>(FutureTask<T> task, Thread thread) {
    static <T> Far<T> begin(Callable<T> work) {
      FutureTask<T> task = new FutureTask<>(work);
      Thread thread = new Thread(task, "soak-far-end");
      thread.setDaemon(true);
      thread.start();
      return new Far<>(task, thread);
    }

    T await() throws ExecutionException, InterruptedException, TimeoutException {
      T result = task.get(SOON.toSeconds(), TimeUnit.SECONDS);
      thread.join(SOON.toMillis());
      return result;
    }
  }

  @Override
  public void close() {
    lab.close();
  }
}
