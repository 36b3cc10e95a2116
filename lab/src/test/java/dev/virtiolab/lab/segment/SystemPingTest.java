package dev.virtiolab.lab.segment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.lab.LabException;
import org.junit.jupiter.api.Test;

/**
 * What the last lines of ping mean: those of iputils, and of others that say it a little
 * differently.
 */
class SystemPingTest {

  @Test
  void iputilsSummaryIsUnderstood() {
    PingResult result =
        SystemPing.understand(
            """
            --- 192.0.2.2 ping statistics ---
            4 packets transmitted, 4 received, 0% packet loss, time 3005ms
            rtt min/avg/max/mdev = 1.748/2.413/3.595/0.722 ms
            """,
            0);

    assertEquals(new PingResult(4, 4, 1.748, 2.413, 3.595), result);
    assertTrue(result.complete());
  }

  @Test
  void busyboxSummaryIsUnderstood() {
    PingResult result =
        SystemPing.understand(
            """
            2 packets transmitted, 1 packets received, 50% packet loss
            round-trip min/avg/max = 0.100/0.200/0.300 ms
            """,
            0);

    assertEquals(new PingResult(2, 1, 0.1, 0.2, 0.3), result);
    assertFalse(result.complete());
    assertEquals(50, result.lossPercent());
  }

  @Test
  void withoutAReplyThereAreNoTimes() {
    PingResult result =
        SystemPing.understand(
            "3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2031ms\n", 1);

    assertEquals(0, result.received());
    assertTrue(Double.isNaN(result.averageMillis()));
    assertFalse(result.complete());
    assertEquals("3 packets transmitted, 0 received, 100% packet loss", result.describe());
  }

  @Test
  void withoutASummaryThatIsAFailureWithPingsLastWord() {
    LabException failure =
        assertThrows(
            LabException.class,
            () -> SystemPing.understand("ping: bad timing interval: many\n\n", 1));

    assertEquals(LabException.FAILURE, failure.exitCode());
    assertTrue(failure.getMessage().contains("bad timing interval: many"), failure.getMessage());
  }
}
