package dev.virtiolab.integration.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/example: it compiles against what is here, runs, and fails readably where it is to fail. */
class ExampleTest {
  private static final Path SOURCES =
      Path.of("").toAbsolutePath().getParent().resolve("docs/example/src/test/java");
  private static final long DEADLINE_SECONDS = 180;

  @TempDir Path folder;

  private record Result(int exitCode, String output) {}

  /** In a process of its own, whose folder is that of a project. */
  private Result run(String testClass) throws IOException, InterruptedException {
    Path classes = Files.createDirectories(folder.resolve("classes"));
    compile(classes);
    Path output = folder.resolve("output");
    Process process =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                classes + ":" + System.getProperty("java.class.path"),
                "dev.virtiolab.integration.kit.RunClass",
                testClass)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertTrue(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS), "still running");
    } finally {
      process.destroyForcibly();
    }
    return new Result(process.exitValue(), Files.readString(output));
  }

  private static void compile(Path into) throws IOException {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null);
        Stream<Path> all = Files.walk(SOURCES)) {
      List<Path> sources = all.filter(file -> file.toString().endsWith(".java")).toList();
      assertTrue(sources.size() >= 3, () -> "sources: " + sources);
      boolean compiled =
          compiler
              .getTask(
                  messages,
                  files,
                  null,
                  List.of(
                      "-d",
                      into.toString(),
                      "-cp",
                      System.getProperty("java.class.path"),
                      "-proc:none",
                      "-Xlint:all",
                      "-Werror"),
                  null,
                  files.getJavaFileObjectsFromPaths(sources))
              .call();
      assertTrue(compiled, messages::toString);
    }
  }

  @Test
  void theExamplesTestsSucceed() throws Exception {
    Result result = run("com.example.TwoGuestsTest");
    assertEquals(0, result.exitCode, result.output);
    assertTrue(result.output.contains("succeeded: 3"), result.output);
  }

  @Test
  void withAContainerToo() throws Exception {
    DockerEngine.require();
    Result result = run("com.example.ContainerTest");
    assertEquals(0, result.exitCode, result.output);
    assertTrue(result.output.contains("succeeded: 2"), result.output);
  }

  @Test
  void aFaultThatIsMoreThanItBearsGivesAReadableMessageAndACapture() throws Exception {
    Result result = run("com.example.TooMuchLossDemo");
    assertEquals(1, result.exitCode, result.output);
    Path capture =
        folder.resolve(
            "target/virtio-lab/com.example.TooMuchLossDemo/everyPingIsAnswered/alice.pcapng");
    assertTrue(Files.size(capture) > 1000, "a capture of " + Files.size(capture) + " bytes");
    for (String words :
        List.of(
            "20 pings to 192.0.2.2: ",
            "lost: icmp_seq",
            "virtio-lab: seed 42",
            "-Dvirtiolab.seed=42",
            capture.toRealPath().toString(),
            "lost: echo re")) {
      assertTrue(result.output.contains(words), () -> "no \"" + words + "\" in:\n" + result.output);
    }
  }
}
