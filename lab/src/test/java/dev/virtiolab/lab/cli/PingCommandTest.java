package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code vlab ping --device qemu} refuses: one line, exit code 2. */
class PingCommandTest {

  @ParameterizedTest
  @CsvSource({
    "--platform, sev, which is a pc",
    "--platform, vtd, which is a pc",
    "--platform, noncoherent, which is a pc",
    "--feature, -mrg_rxbuf, --feature is of the device java",
    "--bounce-slots, none, --bounce-slots is of encrypted memory",
    "--trace, file, --trace is of the device java",
    "--metrics, 0, --metrics is of the device java",
  })
  void whatIsOfADeviceOrAPlatformOfOurs(String option, String value, String words) {
    assertRefused(words, "--device", "qemu", option, value);
  }

  @Test
  void thereAreTwoDevices() {
    assertRefused("--device is java or qemu, not e1000", "--device", "e1000");
  }

  @Test
  void otherOptionsAreLookedAtFirst() {
    assertRefused("--count is at least 1", "--device", "qemu", "--count", "0");
    assertRefused("no-such", "--device", "qemu", "--backend", "no-such");
  }

  private static void assertRefused(String words, String... arguments) {
    StringWriter err = new StringWriter();
    StringWriter out = new StringWriter();
    String[] line = new String[arguments.length + 1];
    line[0] = "ping";
    System.arraycopy(arguments, 0, line, 1, arguments.length);
    int exitCode = Main.execute(new PrintWriter(out), new PrintWriter(err), line);
    assertEquals(2, exitCode, err.toString());
    assertTrue(err.toString().contains(words), err.toString());
    assertEquals(1, err.toString().lines().count(), err.toString());
    assertEquals("", out.toString());
  }
}
