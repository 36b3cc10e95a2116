package dev.virtiolab.testkit;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.opentest4j.TestAbortedException;

/**
 * Guests for JUnit tests. In a field of the instance, they are started for each test and switched
 * off after it; in a static field, once for all tests of the class:
 *
 * <pre>{@code
 * @RegisterExtension
 * final LabExtension lab =
 *     LabExtension.of(GuestSpec.named("alice").platform(PlatformKind.SEV), GuestSpec.named("bob"));
 *
 * @Test
 * void bobAnswersAlice(@GuestNamed("alice") Guest alice, @GuestNamed("bob") Guest bob) {
 *   alice.wire().loss(0.05);
 *   PingReport report = alice.ping(bob, ping -> ping.count(200));
 *   assertEquals(alice.wire().journal().droppedPings(), report.lost());
 * }
 * }</pre>
 *
 * <p>A test or lifecycle method may ask for a {@link Lab}, a {@link Guest} and a {@link Wire} as
 * parameters; {@link GuestNamed} says of which guest, where there are several.
 *
 * <p>When a test fails, {@code target/virtio-lab/CLASS/METHOD/GUEST.pcapng} is kept, the failure
 * carries a {@link LabEvidence}, and seed and files are published as report entries. The folder is
 * that of the property {@code virtiolab.captures}, if it is set. What an earlier run of the test
 * left is removed.
 */
public final class LabExtension
    implements BeforeAllCallback,
        BeforeEachCallback,
        AfterEachCallback,
        ParameterResolver,
        TestExecutionExceptionHandler,
        LifecycleMethodExecutionExceptionHandler {

  /** How JUnit numbers the runs of one method. */
  private static final Pattern INVOCATION =
      Pattern.compile("\\[(?:test-template-invocation|class-template-invocation):#(\\d+)]");

  private final List<GuestSpec> guests;
  private final OptionalLong seed;
  private final Namespace namespace = Namespace.create(LabExtension.class, new Object());

  /** The lab that runs, for tests that hold the extension itself. */
  private volatile Lab current;

  private LabExtension(OptionalLong seed, List<GuestSpec> guests) {
    this.seed = seed;
    this.guests = List.copyOf(guests);
  }

  /** Starts these guests. */
  public static LabExtension of(GuestSpec... guests) {
    return new LabExtension(OptionalLong.empty(), Arrays.asList(guests));
  }

  /**
   * The same with a seed. Without one a lab draws its own; the property {@value Lab#SEED_PROPERTY}
   * overrules both.
   */
  public LabExtension withSeed(long chosen) {
    return new LabExtension(OptionalLong.of(chosen), guests);
  }

  /**
   * The running lab. Where tests run in parallel in one instance, ask for it as a parameter.
   *
   * @throws IllegalStateException if none runs: outside of a test
   */
  public Lab lab() {
    Lab running = current;
    if (running == null) {
      throw new IllegalStateException("no test is running");
    }
    return running;
  }

  /** A guest by its name; as {@link Lab#guest(String)}. */
  public Guest guest(String name) {
    return lab().guest(name);
  }

  /** The only guest; as {@link Lab#guest()}. */
  public Guest guest() {
    return lab().guest();
  }

  // ---- life

  /** A lab in a store of JUnit's, which closes it with the context. */
  private final class Held implements AutoCloseable {
    final Lab lab = Lab.start(seed, guests);

    @Override
    public void close() {
      current = null;
      lab.close();
    }
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    // A nested class finds the lab of the class around it.
    start(context);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    Evidence.remove(folder(context));
    start(context);
  }

  private void start(ExtensionContext context) {
    current =
        context.getStore(namespace).computeIfAbsent(Held.class, key -> new Held(), Held.class).lab;
  }

  private Lab lab(ExtensionContext context) {
    Held held = context.getStore(namespace).get(Held.class, Held.class);
    return held == null ? null : held.lab;
  }

  // ---- failure

  @Override
  public void handleTestExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    throw withEvidence(context, failure);
  }

  @Override
  public void handleBeforeEachMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    throw withEvidence(context, failure);
  }

  @Override
  public void handleAfterEachMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    throw withEvidence(context, failure);
  }

  @Override
  public void afterEach(ExtensionContext context) {
    // Not of the test's own methods: an assertion of another extension, or a time that ran out.
    context.getExecutionException().ifPresent(failure -> withEvidence(context, failure));
  }

  private Throwable withEvidence(ExtensionContext context, Throwable failure) {
    Lab lab = lab(context);
    boolean told = Arrays.stream(failure.getSuppressed()).anyMatch(this::isOurs);
    if (lab != null && !told && !(failure instanceof TestAbortedException)) {
      Evidence evidence = Evidence.of(lab, folder(context));
      failure.addSuppressed(new LabEvidence(evidence.text(), this));
      context.publishReportEntry(evidence.entries(lab.seed()));
    }
    return failure;
  }

  private boolean isOurs(Throwable suppressed) {
    return suppressed instanceof LabEvidence evidence && evidence.isOf(this);
  }

  private static Path folder(ExtensionContext context) {
    String test = context.getRequiredTestMethod().getName();
    Matcher number = INVOCATION.matcher(context.getUniqueId());
    while (number.find()) {
      test += "-" + number.group(1);
    }
    return Evidence.folder(context.getRequiredTestClass().getName(), test);
  }

  // ---- parameters

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    if (type == Lab.class) {
      return !parameter.isAnnotated(GuestNamed.class);
    }
    return (type == Guest.class || type == Wire.class)
        && parameter
            .findAnnotation(GuestNamed.class)
            .map(wanted -> guests.stream().anyMatch(spec -> spec.name().equals(wanted.value())))
            .orElse(guests.size() == 1);
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Lab lab = lab(context);
    if (lab == null) {
      start(context);
      lab = lab(context);
    }
    Class<?> type = parameter.getParameter().getType();
    if (type == Lab.class) {
      return lab;
    }
    Guest guest =
        parameter
            .findAnnotation(GuestNamed.class)
            .map(GuestNamed::value)
            .map(lab::guest)
            .orElseGet(lab::guest);
    return type == Wire.class ? guest.wire() : guest;
  }
}
