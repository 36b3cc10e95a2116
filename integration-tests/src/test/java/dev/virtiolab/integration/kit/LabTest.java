package dev.virtiolab.integration.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.Fault;
import dev.virtiolab.testkit.Counters;
import dev.virtiolab.testkit.Frame;
import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestNamed;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.LabExtension;
import dev.virtiolab.testkit.PingPlan;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.TestPort;
import dev.virtiolab.testkit.Transfer;
import dev.virtiolab.virtio.net.Drop;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Guests on the lab's own wire: what a test can ask of them, and do to them. */
class LabTest {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension
  final LabExtension lab =
      LabExtension.of(
          GuestSpec.named("alice").platform(PlatformKind.SEV),
          GuestSpec.named("bob"),
          GuestSpec.named("carol").platform(PlatformKind.VTD));

  @Test
  void everyPingOnAQuietWireIsAnsweredOnce(
      @GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob) {
    Counters before = bob.counters();
    PingReport report = alice.ping(bob, ping -> ping.count(50).interval(Duration.ofMillis(1)));
    assertTrue(report.isComplete(), report::toString);
    assertEquals(50, report.sent());
    assertEquals(50, report.answered().size());
    assertTrue(report.duplicated().isEmpty(), report::toString);
    assertTrue(report.averageRoundTrip().isPositive());
    assertTrue(report.longestRoundTrip().compareTo(report.averageRoundTrip()) >= 0);

    Counters delta = bob.counters().minus(before);
    assertEquals(50, delta.stack().get(StackCounter.ECHO_REQUESTS_IN));
    assertTrue(delta.nic().framesToGuest() >= 50, () -> delta.nic().toString());
    assertEquals(0, delta.nic().drops());
    assertEquals(0, delta.toGuest().dropped());
    assertTrue(delta.dma().maps() >= 100, "a map for each header and each frame");
    assertTrue(delta.nic().kicks() > 0);
  }

  /** Larger than a frame: RFC 791, 3.2. */
  @Test
  void aLargePingGoesInFragments() {
    PingReport report = lab.guest("alice").ping(lab.guest("bob"), ping -> ping.count(2).size(9000));
    assertTrue(report.isComplete(), report::toString);
  }

  // ---- faults

  @Test
  void exactlyThePingsThatTheJournalsNameAreMissing() {
    Guest alice = lab.guest("alice");
    Guest bob = lab.guest("bob");
    alice.awaitReachable(bob, SOON);
    alice.wire().loss(0.05).reorder(0.1, Duration.ofMillis(3));
    bob.wire().toGuest().loss(0.05);

    PingReport report = alice.ping(bob, ping -> ping.count(1000).interval(Duration.ofMillis(1)));

    SortedSet<Integer> dropped = new TreeSet<>(alice.wire().journal().droppedPings());
    dropped.addAll(bob.wire().journal().droppedPings());
    assertTrue(dropped.size() > 50, "lost: " + dropped.size());
    assertEquals(dropped, report.lost(), report::toString);
    assertEquals(1000, report.sent());
    assertFalse(alice.wire().journal().pings(Fault.REORDERED).isEmpty());
    assertEquals(
        alice.counters().toGuest().count(Fault.LOST),
        alice.wire().journal().numbers(Direction.IN, Fault.LOST).size());
  }

  @Test
  void exactlyTheDuplicatedAnswersComeTwice() {
    Guest alice = lab.guest("alice");
    alice.awaitReachable(lab.guest("bob"), SOON);
    alice.wire().toGuest().duplicate(0.2);
    PingReport report =
        alice.ping(lab.guest("bob"), ping -> ping.count(200).interval(Duration.ofMillis(1)));
    assertTrue(report.isComplete(), report::toString);
    assertEquals(alice.wire().journal().pings(Fault.DUPLICATED), report.duplicated());
    assertTrue(report.duplicated().size() > 10, report::toString);
  }

  @Test
  void aBitThatFlipsIsFoundByAChecksum() {
    Guest alice = lab.guest("alice");
    alice.awaitReachable(lab.guest("bob"), SOON);
    alice.wire().fromGuest().corrupt(1);
    PingReport report =
        alice.ping(
            lab.guest("bob"), ping -> ping.count(20).size(1400).patience(Duration.ofMillis(300)));
    // A flip in the 14 bytes of addresses and type may do no harm.
    assertTrue(report.lost().size() > 15, report::toString);
    assertTrue(alice.counters().fromGuest().count(Fault.CORRUPTED) >= 20);
  }

  @Test
  void aDelayIsSeenInEveryRoundTrip() {
    Guest alice = lab.guest("alice");
    alice.wire().delay(Duration.ofMillis(30));
    PingReport report = alice.ping(lab.guest("bob"));
    assertTrue(report.isComplete(), report::toString);
    report
        .roundTrips()
        .forEach(
            (sequence, time) ->
                assertTrue(time.compareTo(Duration.ofMillis(60)) >= 0, report::toString));
  }

  @Test
  void aRateLimitStretchesWhatIsSentAtOnce() {
    Guest alice = lab.guest("alice");
    alice.awaitReachable(lab.guest("bob"), SOON);
    // 1 Mbit/s: a frame of 1042 bytes takes 8.3 ms; they come each millisecond.
    alice.wire().fromGuest().rate(1_000_000);
    PingReport report =
        alice.ping(
            lab.guest("bob"),
            ping ->
                ping.count(20)
                    .size(1000)
                    .interval(Duration.ofMillis(1))
                    .patience(Duration.ofSeconds(5)));
    assertTrue(report.isComplete(), report::toString);
    assertTrue(report.longestRoundTrip().toMillis() >= 80, report::toString);
  }

  @Test
  void faultsAreAlsoReadAsTheCommandLineWritesThem() {
    Guest alice = lab.guest("alice");
    alice.wire().faults("out:block");
    PingReport report = alice.ping("192.0.2.2", ping -> ping.patience(Duration.ofMillis(200)));
    assertEquals(3, report.lost().size());
    alice.wire().heal();
    alice.awaitReachable("192.0.2.2", SOON);
  }

  @Test
  void aPulledCableTakesTheLinkDownAndPluggedInBringsItBack() {
    Guest alice = lab.guest("alice");
    Guest bob = lab.guest("bob");
    alice.awaitReachable(bob, SOON);
    alice.wire().unplug();
    alice.await("the driver sees no link", SOON, guest -> !media(guest));
    assertFalse(alice.wire().linkUp());
    assertEquals(3, alice.ping(bob, ping -> ping.patience(Duration.ofMillis(200))).lost().size());
    assertTrue(alice.counters().nic().drops(Drop.TX_LINK_DOWN) >= 3);

    alice.wire().plugIn();
    alice.await("the driver sees a link", SOON, LabTest::media);
    alice.awaitReachable(bob, SOON);
  }

  private static boolean media(Guest guest) {
    return guest.ask(firmware -> firmware.network().mode().mediaPresent);
  }

  @Test
  void aPartitionKeepsItsGuestFromTheOthersBroadcastsToo(Lab running) {
    Guest alice = lab.guest("alice");
    Guest bob = lab.guest("bob");
    Guest carol = lab.guest("carol");
    running.partition("alice");
    PingReport none = alice.ping(bob, ping -> ping.patience(Duration.ofMillis(300)));
    assertEquals(3, none.lost().size(), none::toString);
    // The question who bob is went out as a broadcast, and did not reach him.
    assertTrue(alice.counters().stack().get(StackCounter.ARP_REQUESTS_OUT) > 0);
    assertEquals(0, bob.counters().stack().get(StackCounter.ARP_REQUESTS_IN));
    assertTrue(bob.counters().toGuest().count(Fault.PARTITIONED) > 0);
    bob.awaitReachable(carol, SOON);

    running.partitionAll();
    assertEquals(3, bob.ping(carol, ping -> ping.patience(Duration.ofMillis(300))).lost().size());

    running.healPartition();
    bob.awaitReachable(carol, SOON);
    alice.await("alice finds bob again", SOON, guest -> guest.ping(bob).isComplete());
  }

  @Test
  void tcpBringsEveryByteThroughLossReorderingAndAResetOfTheDevice() {
    Guest alice = lab.guest("alice");
    Guest bob = lab.guest("bob");
    alice.awaitReachable(bob, SOON);
    alice.wire().loss(0.02).reorder(0.05, Duration.ofMillis(2));
    Transfer transfer = alice.transfer(bob, 300_000, Duration.ofMinutes(2));
    assertTrue(transfer.isIntact(), transfer::toString);
    assertEquals(300_000, transfer.received());
    assertFalse(alice.wire().journal().entries().isEmpty());

    alice.wire().heal();
    alice.resetNic();
    assertTrue(bob.transfer(alice, 100_000, Duration.ofMinutes(2)).isIntact());
  }

  // ---- the device

  @Test
  void theDriverResetsItsDeviceInMidTrafficAndGoesOn() throws Exception {
    Guest alice = lab.guest("alice");
    Guest bob = lab.guest("bob");
    alice.awaitReachable(bob, SOON);
    long before = alice.counters().nic().resets();
    CompletableFuture<PingReport> series =
        alice.startPing(
            PingPlan.to(bob.address()).count(400).interval(Duration.ofMillis(1)).size(4000));
    // More than the frames that the stack has: one lost at each reset would leave it with none.
    for (int i = 0; i < 150; i++) {
      alice.resetNic();
    }
    PingReport report = series.get(60, TimeUnit.SECONDS);
    assertEquals(400, report.sent());
    assertEquals(150, alice.counters().nic().resets() - before);
    PingReport after = alice.ping(bob, ping -> ping.count(20).size(30_000));
    assertTrue(after.isComplete(), after::toString);
  }

  /** virtio v1.4, 2.1.2: the driver can assume nothing of requests under way, and resets. */
  @Test
  void aDeviceThatNeedsAResetIsGivenUpAndMendedByOne() {
    Guest alice = lab.guest("alice");
    Guest bob = lab.guest("bob");
    alice.awaitReachable(bob, SOON);
    assertFalse(alice.isBroken());

    alice.breakNic();
    alice.awaitBroken(SOON);
    assertEquals(1, alice.counters().nic().breakdowns());
    assertEquals(3, alice.ping(bob, ping -> ping.patience(Duration.ofMillis(200))).lost().size());
    alice.breakNic(); // it needs one already
    assertEquals(1, alice.counters().nic().breakdowns());

    alice.resetNic();
    assertFalse(alice.isBroken());
    alice.awaitReachable(bob, SOON);
  }

  // ---- raw frames

  @Test
  void anArpRequestOfTheTestsOwnIsAnswered(Lab running) {
    TestPort port = running.port();
    // RFC 826: who has 192.0.2.1? Tell 192.0.2.9, at 02:00:00:00:00:09.
    port.send(
        Frame.of(
            "ffffffffffff 020000000009 0806 0001 0800 06 04 0001"
                + " 020000000009 c0000209 000000000000 c0000201"));
    Frame answer = port.await(frame -> frame.destination().bits() == 0x0200_0000_0009L, SOON);
    assertEquals(
        Frame.of(
            "020000000009 525400000201 0806 0001 0800 06 04 0002"
                + " 525400000201 c0000201 020000000009 c0000209"),
        answer);
    port.clear();
    AssertionError none =
        assertThrows(
            AssertionError.class,
            () -> port.await(frame -> frame.etherType() == 0x88b5, Duration.ofMillis(50)));
    assertTrue(none.getMessage().contains("no such frame"), none::getMessage);
  }

  // ---- several labs

  @Test
  void whatBefallsTheFramesFollowsFromTheSeed() {
    List<SortedSet<Integer>> lost = List.of(lostWith(7), lostWith(7), lostWith(8));
    assertEquals(lost.get(0), lost.get(1));
    assertFalse(lost.get(0).equals(lost.get(2)), "two seeds, the same losses: " + lost.get(0));
  }

  /** With the same addresses as the other lab, which runs: they have nothing in common. */
  private static SortedSet<Integer> lostWith(long seed) {
    try (Lab other =
        Lab.start(
            OptionalLong.of(seed), List.of(GuestSpec.named("alice"), GuestSpec.named("bob")))) {
      if (Long.getLong(Lab.SEED_PROPERTY) == null) {
        assertEquals(seed, other.seed());
      }
      Guest alice = other.guest("alice");
      // Exactly one ping: what is lost follows from the number of the frame.
      assertTrue(alice.ping(other.guest("bob"), ping -> ping.count(1).patience(SOON)).isComplete());
      alice.wire().fromGuest().loss(0.3);
      return alice
          .ping(
              other.guest("bob"),
              ping ->
                  ping.count(64).interval(Duration.ofMillis(1)).patience(Duration.ofMillis(300)))
          .lost();
    }
  }

  @Test
  void aLabThatCannotBeIsRefused() {
    assertThrows(IllegalArgumentException.class, Lab::start);
    IllegalArgumentException twice =
        assertThrows(
            IllegalArgumentException.class,
            () -> Lab.start(GuestSpec.named("a"), GuestSpec.named("a")));
    assertTrue(twice.getMessage().contains("one name"), twice::getMessage);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            Lab.start(
                GuestSpec.named("a").address("192.0.2.1"),
                GuestSpec.named("b").address("192.0.2.1")));
    assertThrows(IllegalArgumentException.class, () -> GuestSpec.named("../a"));
    assertThrows(IllegalArgumentException.class, () -> GuestSpec.named("a").address("224.0.0.1"));
    IllegalArgumentException unknown =
        assertThrows(IllegalArgumentException.class, () -> lab.guest("dave"));
    assertTrue(unknown.getMessage().contains("carol"), unknown::getMessage);
  }
}
