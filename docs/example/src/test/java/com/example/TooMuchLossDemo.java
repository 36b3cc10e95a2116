package com.example;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestNamed;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.LabExtension;
import dev.virtiolab.testkit.PingReport;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Fails, to show what that looks like: {@code mvn test -Dtest=TooMuchLossDemo}. It is no test by its
 * name, so that it is not run with the others.
 */
class TooMuchLossDemo {

  @RegisterExtension
  final LabExtension lab =
      LabExtension.of(GuestSpec.named("alice"), GuestSpec.named("bob")).withSeed(42);

  @Test
  void everyPingIsAnswered(@GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob) {
    alice.awaitReachable(bob, Duration.ofSeconds(20));
    alice.wire().loss(0.3);

    PingReport report = alice.ping(bob, ping -> ping.count(20));

    assertTrue(report.isComplete(), report::toString);
  }
}
