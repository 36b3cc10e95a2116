package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The guest's TCP and the kernel's over a TAP: an independent judge of RFC 9293. */
class TcpKernelTest {
  private static final long DEADLINE_SECONDS = 240;

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({"pc", "sev"})
  void streamsArriveWholeBothWays(String platform) throws Exception {
    run(platform, Long.toString(64L << 20));
  }

  @Test
  void streamsArriveWholeThroughFaults() throws Exception {
    String out =
        run(
            "pc",
            Long.toString(1L << 20),
            "loss=3%,duplicate=2%,reorder=5%/2ms,corrupt=1%,delay=1ms");
    // That the faults were there: what was changed was seen.
    assertTrue(out.lines().anyMatch(line -> line.matches("TCP_MALFORMED [1-9].*")), out);
  }

  /** {@code vlab up --echo}: what a shell sends from the host's side comes back. */
  @Test
  void theEchoServiceOfARunningGuestAnswersTheHost() {
    Requirements.assumeTap();
    Requirements.assumeProgram("bash", "bash");
    try (Vlab vlab = Vlab.asMyself()) {
      assertEquals(2, vlab.run("up", "--echo", "65536").exitCode());
      vlab.start("up", "--echo", "7");
      vlab.awaitOutput("Ctrl-C ends it.");
      String talk = "exec 3<>/dev/tcp/192.0.2.2/7 && echo there and back >&3 && head -n 1 <&3";
      Vlab.Ended ended = vlab.inNetworkOf(vlab.pid(), "timeout", "30", "bash", "-c", talk);
      assertEquals("there and back", ended.out().strip(), ended::toString);
      vlab.interrupt();
      assertEquals(130, vlab.await().exitCode());
      vlab.assertNothingLeft();
    }
  }

  private String run(String... arguments) throws Exception {
    Requirements.assumeTap();
    Path log = folder.resolve("log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(GuestTransfer.class.getName());
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      boolean ended = process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS);
      String out = Files.readString(log);
      System.out.print(out);
      assertTrue(ended, out);
      assertEquals(0, process.exitValue(), out);
      return out;
    } finally {
      process.destroyForcibly().waitFor();
    }
  }
}
