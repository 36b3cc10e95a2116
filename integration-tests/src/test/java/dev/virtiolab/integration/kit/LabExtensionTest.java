package dev.virtiolab.integration.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestNamed;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.LabEvidence;
import dev.virtiolab.testkit.LabExtension;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.platform.testkit.engine.EngineExecutionResults;
import org.junit.platform.testkit.engine.EngineTestKit;
import org.junit.platform.testkit.engine.Event;

/** What a test of somebody else's sees of the extension, above all when it fails. */
class LabExtensionTest {
  private static final byte[] PCAPNG = {0x0a, 0x0d, 0x0d, 0x0a};

  @TempDir Path captures;

  private static EngineExecutionResults run(Class<?> tests, Path captures) {
    String before = System.getProperty("virtiolab.captures");
    System.setProperty("virtiolab.captures", captures.toString());
    try {
      return EngineTestKit.engine("junit-jupiter").selectors(selectClass(tests)).execute();
    } finally {
      if (before == null) {
        System.clearProperty("virtiolab.captures");
      } else {
        System.setProperty("virtiolab.captures", before);
      }
    }
  }

  private static Throwable failure(EngineExecutionResults results) {
    Event failed = results.testEvents().failed().stream().findFirst().orElseThrow();
    return failed
        .getRequiredPayload(org.junit.platform.engine.TestExecutionResult.class)
        .getThrowable()
        .orElseThrow();
  }

  private Path folder(Class<?> tests, String method) {
    return captures.resolve(tests.getName()).resolve(method);
  }

  private static LabEvidence evidence(Throwable failure) {
    return List.of(failure.getSuppressed()).stream()
        .filter(LabEvidence.class::isInstance)
        .map(LabEvidence.class::cast)
        .findFirst()
        .orElseThrow(() -> new AssertionError("no evidence", failure));
  }

  // ---- a test that fails

  static class TooMuchLoss {
    @RegisterExtension
    final LabExtension lab =
        LabExtension.of(GuestSpec.named("alice"), GuestSpec.named("bob")).withSeed(42);

    @Test
    void bobAnswersEverything(
        @GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob, Wire unused) {
      fail("resolved without a name: " + unused);
    }

    @Test
    void bobAnswers(@GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob) {
      alice.ping(bob);
      alice.wire().loss(0.5);
      PingReport report = alice.ping(bob, ping -> ping.count(20).patience(Duration.ofMillis(200)));
      assertTrue(report.isComplete(), report::toString);
    }
  }

  @Test
  void aFailureKeepsACaptureOfEachGuestAndSaysWhereItIs() throws IOException {
    EngineExecutionResults results = run(TooMuchLoss.class, captures);

    results.testEvents().assertStatistics(statistics -> statistics.started(2).failed(2));
    Throwable failure =
        results.testEvents().failed().stream()
            .filter(event -> event.getTestDescriptor().getDisplayName().startsWith("bobAnswers("))
            .map(
                event ->
                    event
                        .getRequiredPayload(org.junit.platform.engine.TestExecutionResult.class)
                        .getThrowable()
                        .orElseThrow())
            .findFirst()
            .orElseThrow();
    Path folder = folder(TooMuchLoss.class, "bobAnswers");
    for (String name : List.of("alice.pcapng", "bob.pcapng")) {
      byte[] file = Files.readAllBytes(folder.resolve(name));
      for (int i = 0; i < PCAPNG.length; i++) {
        assertEquals(PCAPNG[i], file[i]);
      }
      assertTrue(file.length > 1000, name + " has " + file.length + " bytes");
    }
    String text = evidence(failure).getMessage();
    assertTrue(text.contains("seed " + seed(42)), text);
    assertTrue(text.contains("-Dvirtiolab.seed=" + seed(42)), text);
    assertTrue(text.contains(folder.resolve("alice.pcapng").toAbsolutePath().toString()), text);
    assertTrue(text.contains(" lost: echo re"), text);
    assertFalse(
        Files.readAllLines(folder.resolve("alice.faults.txt")).isEmpty(), "an empty journal");
    assertEquals(1, failure.getSuppressed().length, "told twice");

    Map<String, String> published =
        results.testEvents().reportingEntryPublished().stream()
            .map(
                event ->
                    event.getRequiredPayload(org.junit.platform.engine.reporting.ReportEntry.class))
            .map(org.junit.platform.engine.reporting.ReportEntry::getKeyValuePairs)
            .filter(pairs -> pairs.containsKey("virtiolab.capture.alice.pcapng"))
            .findFirst()
            .orElseThrow();
    assertEquals(Long.toString(seed(42)), published.get("virtiolab.seed"));
  }

  private static long seed(long usual) {
    return Long.getLong(Lab.SEED_PROPERTY, usual);
  }

  static class FailsBefore {
    @RegisterExtension final LabExtension lab = LabExtension.of(GuestSpec.named("only"));

    @BeforeEach
    void breaks() {
      lab.guest().ping("192.0.2.9", ping -> ping.count(1).patience(Duration.ofMillis(20)));
      fail("before");
    }

    @Test
    void neverRun() {
      fail("run all the same");
    }
  }

  static class FailsAfter {
    @RegisterExtension final LabExtension lab = LabExtension.of(GuestSpec.named("only"));

    @Test
    void succeeds() {
      assertEquals("only", lab.guest().name());
    }

    @AfterEach
    void breaks() {
      fail("after");
    }
  }

  @Test
  void aFailureBeforeOrAfterTheTestKeepsACaptureToo() {
    assertEquals("before", failure(run(FailsBefore.class, captures)).getMessage());
    assertTrue(Files.exists(folder(FailsBefore.class, "neverRun").resolve("only.pcapng")));
    assertEquals("after", failure(run(FailsAfter.class, captures)).getMessage());
    assertTrue(Files.exists(folder(FailsAfter.class, "succeeds").resolve("only.pcapng")));
  }

  // ---- tests that do not fail

  static class Succeeds {
    @RegisterExtension final LabExtension lab = LabExtension.of(GuestSpec.named("only"));

    @Test
    void aTest(Guest only, Lab running) {
      assertSame(only, running.guest());
      assertSame(only, lab.guest());
    }

    @Test
    void aborted() {
      Assumptions.abort("not here");
    }
  }

  @Test
  void aSuccessLeavesNothingAndTakesAwayWhatAFailureHadLeft() throws IOException {
    Path old = folder(Succeeds.class, "aTest");
    Files.createDirectories(old);
    Files.writeString(old.resolve("only.pcapng"), "of an earlier run");
    run(Succeeds.class, captures)
        .testEvents()
        .assertStatistics(statistics -> statistics.succeeded(1).aborted(1).failed(0));
    assertFalse(Files.exists(old), "the old capture is still there");
    assertFalse(Files.exists(folder(Succeeds.class, "aborted")));
  }

  // ---- how long a lab lives

  static final List<Lab> SEEN = new CopyOnWriteArrayList<>();

  static class OnePerClass {
    @RegisterExtension static final LabExtension LAB = LabExtension.of(GuestSpec.named("only"));

    @Test
    void one(Lab lab) {
      SEEN.add(lab);
    }

    @Test
    void another(Lab lab) {
      SEEN.add(lab);
    }

    @Nested
    class Inside {
      @Test
      void inside(Lab lab) {
        SEEN.add(lab);
      }
    }
  }

  static class OnePerTest {
    @RegisterExtension final LabExtension lab = LabExtension.of(GuestSpec.named("only"));

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void numbered(int number, Lab running) {
      SEEN.add(running);
      assertEquals(1, number, "the second fails");
    }
  }

  @Test
  void aStaticFieldStartsOneLabForAllTestsOfTheClass() {
    SEEN.clear();
    run(OnePerClass.class, captures)
        .testEvents()
        .assertStatistics(statistics -> statistics.succeeded(3));
    assertEquals(3, SEEN.size());
    assertEquals(1, SEEN.stream().distinct().count());
    assertTrue(SEEN.getFirst().guests().isEmpty(), "still running after the class");
  }

  @Test
  void aFieldOfTheInstanceStartsOneForEachTestAndEachRunOfIt() {
    SEEN.clear();
    run(OnePerTest.class, captures)
        .testEvents()
        .assertStatistics(statistics -> statistics.succeeded(1).failed(1));
    assertEquals(2, SEEN.stream().distinct().count());
    assertTrue(SEEN.stream().allMatch(lab -> lab.guests().isEmpty()), "still running");
    assertFalse(Files.exists(folder(OnePerTest.class, "numbered-1")));
    assertTrue(Files.exists(folder(OnePerTest.class, "numbered-2").resolve("only.pcapng")));
  }

  // ---- two kits in one test

  static class TwoKits {
    @RegisterExtension final LabExtension one = LabExtension.of(GuestSpec.named("guest"));

    @RegisterExtension final LabExtension other = LabExtension.of(GuestSpec.named("guest"));

    @Test
    void eachHasItsOwn() {
      assertEquals(one.guest().address(), other.guest().address());
      fail("to see both");
    }
  }

  @Test
  void twoLabsOfOneTestKeepACaptureEach() {
    Throwable failure = failure(run(TwoKits.class, captures));
    assertEquals(2, failure.getSuppressed().length);
    Path folder = folder(TwoKits.class, "eachHasItsOwn");
    assertTrue(Files.exists(folder.resolve("guest.pcapng")));
    assertTrue(Files.exists(folder.resolve("guest-2.pcapng")));
  }
}
