package dev.virtiolab.net.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FaultSpecTest {

  @Test
  void everyFaultCanBeSaid() {
    FaultSpec spec =
        FaultSpec.parse(
            List.of(
                "loss=5%,delay=10ms,jitter=2ms,duplicate=1%,reorder=0.5%/3ms,corrupt=0.1%",
                "rate=10mbit,separate=52:54:00:12:34:56-52:54:00:12:34:57,limit=50,block"));
    FaultRules expected =
        FaultRules.NONE
            .withLoss(0.05)
            .withDelay(Duration.ofMillis(10), Duration.ofMillis(2))
            .withDuplication(0.01)
            .withReordering(0.005, Duration.ofMillis(3))
            .withCorruption(0.001)
            .withRate(10_000_000)
            .withSeparated(MacPair.of("52:54:00:12:34:56", "52:54:00:12:34:57"))
            .withLimit(50)
            .withBlocked(true);
    assertEquals(new FaultSpec(expected, expected), spec);
    assertFalse(spec.isQuiet());
  }

  @Test
  void aDirectionIsNamedInFront() {
    FaultSpec spec = FaultSpec.parse(List.of("in:loss=0.25", "out:delay=1.5s", "jitter=250us"));
    assertEquals(
        FaultRules.NONE.withLoss(0.25).withDelay(Duration.ZERO, Duration.ofNanos(250_000)),
        spec.in());
    assertEquals(
        FaultRules.NONE.withDelay(Duration.ofMillis(1500), Duration.ofNanos(250_000)), spec.out());
  }

  @Test
  void nothingSaidIsNoFault() {
    assertTrue(FaultSpec.parse(List.of()).isQuiet());
    assertTrue(FaultSpec.parse(List.of("loss=0%")).isQuiet());
    assertEquals(FaultRules.DEFAULT_HOLD.toNanos(), FaultRules.NONE.holdNanos());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "loss=101%; probability",
        "loss=5; probability",
        "loss=-1%; is not a part of all frames",
        "loss=; is not a part of all frames",
        "loss=5permille; is not a part of all frames",
        "delay=10; is not a time",
        "delay=2000h; is not a time",
        "delay=9999999999999999s; takes from 0 to 1 h",
        "jitter=3601s; takes from 0 to 1 h",
        "reorder=1%/x; is not a time",
        "rate=0mbit; nothing crosses",
        "rate=10mb; is not a rate",
        "limit=0; from 1 to 65536 frames",
        "limit=many; is not a number of frames",
        "separate=52:54:00:12:34:56; two Ethernet addresses",
        "separate=52:54:00:12:34:56-x; no Ethernet address: x",
        "block=yes; takes no value",
        "lost=5%; no such fault",
        "loss=5%,,delay=1ms; no such fault",
        "up:loss=5%; no such fault",
      })
  void whatCannotBeReadIsSaidInOneLine(String text, String why) {
    FaultSpecException refused =
        assertThrows(FaultSpecException.class, () -> FaultSpec.parse(List.of(text)));
    assertTrue(refused.getMessage().contains(why), refused::getMessage);
    assertTrue(refused.getMessage().startsWith("--fault " + text), refused::getMessage);
    assertEquals(1, refused.getMessage().lines().count());
  }
}
