package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A class of the user's own: what is taken, and what is said of what is not. */
class OwnClassTest {
  private static final String NAME = "public String name() { return \"mine\"; }";
  private static final String TITLE = "public String title() { return \"a title\"; }";
  private static final String ARM =
      "public EfiStatus arm(TeardownSeat seat) { return EfiStatus.SUCCESS; }";
  private static final String START =
      "public NetworkCard start(DriverSeat seat) { throw new IllegalStateException(); }";
  private static final String IMPORTS =
      "import dev.virtiolab.firmware.exitboot.*; import dev.virtiolab.firmware.iommu.*;"
          + " import dev.virtiolab.firmware.uefi.*;\n";

  /** One line each, on lines 2 to 7. */
  private static final String POLICY =
      String.join(
          "\n", IMPORTS + "public class My implements TeardownPolicy {", NAME, TITLE, ARM, "}", "");

  private static final String DRIVER =
      String.join(
          "\n", IMPORTS + "public class My implements ExitBootDriver {", NAME, TITLE, START, "}");

  @TempDir private Path folder;

  // ---- what is taken

  @Test
  void theseTestsRunOnTheModulePathAsTheLauncherDoes() {
    assertTrue(OwnClass.class.getModule().isNamed());
    assertTrue(TeardownPolicy.class.getModule().isNamed());
  }

  @Test
  void aPolicyIsMadeAnewEachTime() {
    OwnClass own = OwnClass.in(written(POLICY));

    TeardownPolicy policy = own.policy().orElseThrow().get();
    assertEquals("mine", policy.name());
    assertEquals("a title", policy.title());
    assertEquals(EfiStatus.SUCCESS, policy.arm(null));
    assertNotSame(policy, own.policy().orElseThrow().get());
    assertTrue(own.driver().isEmpty());
  }

  @Test
  void aDriverIsMadeAnewEachTime() {
    OwnClass own = OwnClass.in(written(DRIVER));

    ExitBootDriver driver = own.driver().orElseThrow().get();
    assertEquals("mine", driver.name());
    assertNotSame(driver, own.driver().orElseThrow().get());
    assertTrue(own.policy().isEmpty());
  }

  @Test
  void notEvenStaticFieldsCarryAnythingFromOneToAnother() {
    OwnClass own =
        OwnClass.in(
            written(
                DRIVER.replace(
                    TITLE,
                    "static int made; { made++; }"
                        + " public String title() { return \"made \" + made; }")));

    ExitBootDriver first = own.driver().orElseThrow().get();
    ExitBootDriver second = own.driver().orElseThrow().get();
    assertEquals("made 1", first.title());
    assertEquals("made 1", second.title());
  }

  @Test
  void aClassMayBeInAPackageHaveOthersInsideAndBesideAndExtendTheFirmwares() {
    OwnClass own =
        OwnClass.in(
            written(
                """
                package org.example.mine;
                import dev.virtiolab.firmware.exitboot.*;
                import dev.virtiolab.firmware.smallnet.SmallNet;
                class Beside {}
                public class My implements ExitBootDriver {
                  public String name() { return "mine"; }
                  public String title() { return new Inner("a").text() + Beside.class.getName(); }
                  public NetworkCard start(DriverSeat seat) {
                    new Net(seat);
                    throw new IllegalStateException(Net.class.getSuperclass().getName());
                  }
                  public record Inner(String text) {}
                  static class Net extends SmallNet {
                    Net(DriverSeat seat) { super(null, null, null); }
                  }
                }
                """));

    ExitBootDriver driver = own.driver().orElseThrow().get();
    assertEquals("aorg.example.mine.Beside", driver.title());
    assertEquals(
        SmallNet.class.getName(),
        assertThrows(IllegalStateException.class, () -> driver.start(null)).getMessage());
  }

  @Test
  void oneClassMayBeBothAndARecordIsAClass() {
    Path both =
        written(
            IMPORTS
                + "public record My() implements TeardownPolicy, ExitBootDriver {"
                + NAME
                + TITLE
                + ARM
                + START
                + "}");
    Catalogue catalogue = new Catalogue();

    OwnClass.in(both).addTo(catalogue);

    assertEquals(List.of("mine"), catalogue.policies());
    assertEquals(List.of("mine"), catalogue.drivers());
    assertEquals("mine", catalogue.driver("mine").name());
  }

  @Test
  void aMistakeThatShowsOnlyWhenItRunsIsTakenForTheExplorerToFind() {
    OwnClass own =
        OwnClass.in(written(POLICY.replace("return EfiStatus.SUCCESS;", "while (true) {}")));

    assertTrue(own.policy().isPresent());
  }

  @Test
  void twoFilesMayHaveClassesOfTheSameName() throws IOException {
    OwnClass first = OwnClass.in(written(POLICY));
    Path other = Files.createDirectory(folder.resolve("other")).resolve("My.java");
    Files.writeString(other, POLICY.replace("\"mine\"", "\"other\""));
    OwnClass second = OwnClass.in(other);

    assertEquals("mine", first.policy().orElseThrow().get().name());
    assertEquals("other", second.policy().orElseThrow().get().name());
  }

  @Test
  void noFileIsWritten() throws IOException {
    OwnClass.in(written(POLICY));
    refused(written("broken"));

    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(folder.resolve("My.java")), files.toList());
    }
  }

  // ---- the file

  @Test
  void aFileThatIsNotThereIsNamed() {
    assertEquals("no such file: /no/My.java", refused(Path.of("/no/My.java")));
  }

  @Test
  void aFileThatIsNoJavaSourceIsRefused() {
    Path jar = folder.resolve("My.jar");

    assertEquals("not a Java source file, such as MyPolicy.java: " + jar, refused(jar));
  }

  @Test
  void aFolderIsRefused() throws IOException {
    Path sources = Files.createDirectory(folder.resolve("Folder.java"));

    assertEquals("cannot read " + sources + ": Is a directory", refused(sources));
  }

  @Test
  void aFileThatCannotBeReadIsRefused() throws IOException {
    // Reading page 0 of a process fails for root, too.
    Path unreadable =
        Files.createSymbolicLink(folder.resolve("My.java"), Path.of("/proc/self/mem"));

    assertEquals("cannot read " + unreadable + ": Input/output error", refused(unreadable));
    Files.delete(unreadable); // or else JUnit warns that it leads out of its folder
  }

  @Test
  void aFileThatIsNoTextIsRefused() throws IOException {
    Path file = folder.resolve("My.java");
    Files.write(file, new byte[] {'/', '/', (byte) 0xff});

    assertEquals(file + " is not UTF-8 text", refused(file));
  }

  // ---- the compiler

  @Test
  void theCompilersFirstErrorIsSaidInOneLineWithItsLine() {
    Path file = written(POLICY.replace("EfiStatus.SUCCESS", "Missing.SUCCESS + NeitherThis.X"));

    assertEquals(
        file
            + ":5: cannot find symbol, symbol: variable Missing, location: class My"
            + " (the first of 2 errors)",
        refused(file));
  }

  @Test
  void aWarningIsNoErrorAndDoesNotHideOne() {
    String warned = POLICY.replace("return \"mine\"", "new Integer(1); return \"mine\"");
    assertTrue(OwnClass.in(written(warned)).policy().isPresent());

    String line = refused(written(warned.replace("return EfiStatus.SUCCESS", "return 1")));
    assertTrue(line.contains("My.java:5: incompatible types: int cannot be converted"), line);
  }

  @Test
  void whatTheFirmwareDoesNotExportCannotBeUsed() {
    String line = refused(written("import dev.virtiolab.firmware.virtio.VirtioRing;\n" + POLICY));

    assertTrue(line.contains("My.java:1: package dev.virtiolab.firmware.virtio is not"), line);
  }

  @Test
  void aClassInAPackageOfOursIsRefused() {
    String line = refused(written("package dev.virtiolab.firmware.iommu;\n" + POLICY));

    assertTrue(line.contains("My.java:1: package exists in another module"), line);
  }

  @Test
  void aJavaWithoutACompilerIsSaid() {
    Path file = written(POLICY);

    String line = assertThrows(LabException.class, () -> OwnClass.in(file, null)).getMessage();

    assertEquals(
        "cannot compile %s: this Java has no compiler (module jdk.compiler); run vlab on a JDK"
            .formatted(file),
        line);
  }

  // ---- the class

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "// nothing\n",
        "public class My {}",
        "class My implements dev.virtiolab.firmware.iommu.MappingTeardown {"
            + "public void lockMemoryMap() {} public void unmapAll() {}"
            + "public void releaseSlots() {} public int openMappings() { return 0; }}",
      })
  void aFileWithoutSuchAClassIsRefused(String text) {
    Path file = written(text);

    assertEquals(
        file + " has no public class that implements TeardownPolicy or ExitBootDriver",
        refused(file));
  }

  @Test
  void aClassThatIsNotPublicOrNotAtTheTopDoesNotCount() {
    for (String text :
        List.of(
            POLICY.replace("public class", "class"),
            IMPORTS
                + "public class My { public static class In implements TeardownPolicy {"
                + NAME
                + TITLE
                + ARM
                + "}}")) {
      assertTrue(refused(written(text)).contains("has no public class"), text);
    }
  }

  @Test
  void anAbstractClassIsRefused() {
    Path file = written(POLICY.replace("public class", "public abstract class"));

    assertEquals(file + ": My is abstract", refused(file));
  }

  @ParameterizedTest
  @ValueSource(strings = {"public My(int a) {}", "My() {}", "private My() {}"})
  void aClassThatCannotBeMadeIsRefused(String constructor) {
    Path file = written(POLICY.replace(NAME, constructor + NAME));

    assertEquals(file + ": My needs a public constructor without parameters", refused(file));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "public My() { throw new IllegalStateException(\"a\\nb\"); } | the constructor of My threw"
            + " java.lang.IllegalStateException: a, b",
        "public My() { throw new StackOverflowError(); } | the constructor of My threw"
            + " java.lang.StackOverflowError",
        "static final int A = Integer.parseInt(\"x\"); | a static initializer of My threw"
            + " java.lang.NumberFormatException: For input string: \"x\"",
      })
  void whatItThrowsWhileItIsMadeIsSaid(String code, String line) {
    Path file = written(POLICY.replace(NAME, code + NAME));

    assertEquals(file + ": " + line, refused(file));
  }

  @ParameterizedTest
  @CsvSource({
    "null, null",
    "\"\", \"\"",
    "\" \", \"\"",
    "\"My\", \"My\"",
    "\"a+b\", \"a+b\"",
    "\"a/b\", \"a/b\"",
    "\"a b\", \"a b\"",
    "\"-a\", \"-a\"",
    "\"a--b\", \"a--b\"",
    "\"a\\nb\", '\"a, b\"'",
    "\"a\\033[1m\", \"a?[1m\"",
  })
  void anOddNameIsRefused(String returned, String said) {
    Path file = written(POLICY.replace("\"mine\"", returned));

    assertEquals(
        "%s: name() of My is to return lower-case words with hyphens between, not %s"
            .formatted(file, said),
        refused(file));
  }

  @ParameterizedTest
  @CsvSource({"null, null", "\"\", \"\"", "\"a\\nb\", '\"a, b\"'"})
  void anOddTitleIsRefused(String returned, String said) {
    Path file = written(DRIVER.replace("\"a title\"", returned));

    assertEquals(
        "%s: title() of My is to return a line of text, not %s".formatted(file, said),
        refused(file));
  }

  @Test
  void aNameThatThrowsIsSaid() {
    Path file = written(DRIVER.replace("return \"mine\";", "throw new AssertionError();"));

    assertEquals(file + ": name() of My threw java.lang.AssertionError", refused(file));
  }

  @Test
  void aPolicyThatDoesNotKnowItsBoardsIsSaid() {
    Path file =
        written(
            POLICY.replace(
                TITLE,
                TITLE
                    + " public boolean needsRemapping() {"
                    + " throw new IllegalStateException(\"x\"); }"));

    assertEquals(
        file + ": needsRemapping() of My threw java.lang.IllegalStateException: x", refused(file));
  }

  @Test
  void aNameThatIsTakenIsSaidWithTheFile() {
    Path file = written(POLICY);
    Catalogue catalogue = new Catalogue();
    OwnClass.in(file).addTo(catalogue);
    OwnClass again = OwnClass.in(file);

    LabException e = assertThrows(LabException.class, () -> again.addTo(catalogue));

    assertEquals(LabException.USAGE, e.exitCode());
    assertEquals(file + ": there is a policy named mine already", e.getMessage());
  }

  private Path written(String text) {
    try {
      return Files.writeString(folder.resolve("My.java"), text);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** What the user is told. */
  private static String refused(Path file) {
    LabException e = assertThrows(LabException.class, () -> OwnClass.in(file));
    assertEquals(LabException.USAGE, e.exitCode(), e.getMessage());
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    return e.getMessage();
  }
}
