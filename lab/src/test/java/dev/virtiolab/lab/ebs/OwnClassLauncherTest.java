package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code vlab ebs --with}, started as the launcher starts it: a module path, and no class path. */
class OwnClassLauncherTest {
  private static final long DEADLINE_SECONDS = 60;

  @TempDir private Path folder;
  private OwnClassPage page;

  @BeforeEach
  void makeFolders() throws IOException {
    page = OwnClassPage.read();
    Files.createDirectory(folder.resolve("tmp"));
    Files.createDirectory(folder.resolve("source"));
  }

  private record Ended(int exitCode, String out, String err) {}

  @Test
  void aClassOfOnesOwnIsKnownByItsName() throws Exception {
    Path policy = page.write("MuteThenUnmap", source());
    Path driver = page.write("ResetToNotify", source());

    Ended ended = ebs("--with", policy + "", "--with", driver + "", "--policy", "no-such");
    assertEquals(2, ended.exitCode(), ended.err());
    assertTrue(ended.err().contains("mute-then-unmap"), ended.err());

    ended = ebs("--with", policy + "", "--with", driver + "", "--driver", "no-such");
    assertEquals(2, ended.exitCode(), ended.err());
    assertTrue(ended.err().contains("reset-to-notify"), ended.err());
  }

  @Test
  void nothingIsLeftBehind() throws Exception {
    Path policy = page.write("MuteThenUnmap", source());
    ebs("--with", policy + "", "--policy", "no-such");
    assertEquals(List.of(policy), files());

    Files.writeString(policy, Files.readString(policy).replace("unmapAll", "unmapEverything"));
    assertEquals(2, ebs("--with", policy + "").exitCode());
    assertEquals(List.of(policy), files());
  }

  /** The line that the page shows. */
  @Test
  void aMistakeIsSaidInTheLineThatThePageShows() throws Exception {
    Path policy = page.write("MuteThenUnmap", source());
    Files.writeString(policy, Files.readString(policy).replace("unmapAll", "unmapEverything"));

    Ended ended = ebs("--with", policy + "");

    assertEquals(2, ended.exitCode());
    assertEquals("", ended.out());
    assertEquals(1, ended.err().lines().count(), ended.err());
    String line = ended.err().strip().replace(source() + File.separator, "");
    assertTrue(page.text().contains("\n" + line + "\n"), line);
  }

  /** It would compile against the whole JDK, and fail when it runs. */
  @Test
  void aModuleThatDoesNotRunIsNotCompiledAgainst() throws Exception {
    Path policy = page.write("MuteThenUnmap", source());
    Files.writeString(
        policy, "import java.net.http.HttpClient;\n" + page.examples().get("MuteThenUnmap"));

    Ended ended = ebs("--with", policy + "");

    assertEquals(2, ended.exitCode());
    assertTrue(ended.err().contains(":1: package java.net.http is not visible"), ended.err());
  }

  @Test
  void aJavaWithoutACompilerIsSaid() throws Exception {
    Path policy = page.write("MuteThenUnmap", source());

    Ended ended =
        run(List.of("--limit-modules", "dev.virtiolab.lab"), List.of("--with", policy + ""));

    assertEquals(2, ended.exitCode(), ended.err());
    assertTrue(ended.err().contains("this Java has no compiler (module jdk.compiler)"));
    assertEquals(1, ended.err().lines().count(), ended.err());
  }

  private Path source() {
    return folder.resolve("source");
  }

  /** Everything that lies in the folders of the run. */
  private List<Path> files() throws IOException {
    try (Stream<Path> temporary = Files.walk(folder.resolve("tmp"));
        Stream<Path> beside = Files.walk(source())) {
      return Stream.concat(temporary, beside).filter(file -> !Files.isDirectory(file)).toList();
    }
  }

  private Ended ebs(String... arguments) throws IOException, InterruptedException {
    return run(List.of(), List.of(arguments));
  }

  private Ended run(List<String> javaOptions, List<String> arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-XX:-UsePerfData", "-XX:TieredStopAtLevel=1"));
    command.add("-Djava.io.tmpdir=" + folder.resolve("tmp"));
    command.addAll(javaOptions);
    command.addAll(List.of("-p", System.getProperty("jdk.module.path")));
    command.addAll(List.of("-m", "dev.virtiolab.lab/dev.virtiolab.lab.cli.Main", "ebs"));
    command.addAll(arguments);
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    Process process =
        new ProcessBuilder(command)
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    try {
      assertTrue(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS), "no end");
    } finally {
      process.destroyForcibly();
    }
    return new Ended(process.exitValue(), Files.readString(out), Files.readString(err));
  }
}
