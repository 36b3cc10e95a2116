package com.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.testkit.Counters;
import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestNamed;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.LabExtension;
import dev.virtiolab.testkit.PingReport;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two guests on one wire in memory: neither a privilege nor a network is needed. */
class TwoGuestsTest {

  @RegisterExtension
  final LabExtension lab =
      LabExtension.of(
          GuestSpec.named("alice").platform(PlatformKind.SEV), GuestSpec.named("bob"));

  @Test
  void bobAnswersAlice(@GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob) {
    Counters before = alice.counters();

    PingReport report = alice.ping(bob, ping -> ping.count(10).size(1400));

    assertTrue(report.isComplete(), report::toString);
    Counters delta = alice.counters().minus(before);
    assertTrue(delta.nic().framesFromGuest() >= 10);
    assertEquals(0, delta.nic().drops());
  }

  @Test
  void ofTwoPercentLossExactlyThoseAreMissingThatTheWireLost(
      @GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob) {
    alice.awaitReachable(bob, Duration.ofSeconds(20));
    alice.wire().loss(0.02);

    PingReport report = alice.ping(bob, ping -> ping.count(500).interval(Duration.ofMillis(1)));

    assertEquals(alice.wire().journal().droppedPings(), report.lost(), report::toString);
  }

  @Test
  void aliceSurvivesAResetOfHerDevice(
      @GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob) {
    alice.breakNic();
    alice.awaitBroken(Duration.ofSeconds(20));

    alice.resetNic();

    alice.awaitReachable(bob, Duration.ofSeconds(20));
  }
}
