package dev.virtiolab.integration.soak;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What counts as growth. */
class FlatnessTest {
  private static final long MIB = 1 << 20;
  private static final int ROUNDS = 40;

  private static List<String> judge(IntFunction<Vitals> round) {
    return Flatness.complaints(IntStream.range(0, ROUNDS).mapToObj(round).toList());
  }

  @Test
  void warmUpAndNoiseAreNoGrowth() {
    assertEquals(
        List.of(),
        judge(
            i ->
                new Vitals(
                    (20 + Math.min(i, 9) + i % 3) * MIB,
                    (300 + 20 * Math.min(i, 9) + 7 * (i % 5)) * MIB,
                    i < 5 ? 60 : 90,
                    i < 5 ? 20 : 30)));
  }

  @Test
  void aSingleSpikeIsNoGrowth() {
    assertEquals(
        List.of(),
        judge(i -> new Vitals((i == 38 ? 90 : 20) * MIB, 300 * MIB, i == 39 ? 99 : 90, 30)));
  }

  @Test
  void aDescriptorInEveryRoundIsFound() {
    assertEquals(
        List.of("descriptors grew from 115 to 135"),
        judge(i -> new Vitals(20 * MIB, 300 * MIB, 100 + i, 30)));
  }

  @Test
  void aThreadThatStaysIsFound() {
    assertEquals(
        List.of("threads grew from 30 to 31"),
        judge(i -> new Vitals(20 * MIB, 300 * MIB, 90, i < 25 ? 30 : 31)));
  }

  @Test
  void aLeakOfMemoryIsFound() {
    assertEquals(
        List.of("heap grew from 27 to 37 MiB", "resident memory grew from 345 to 405 MiB"),
        judge(i -> new Vitals((20 + i / 2) * MIB, (300 + 3L * i) * MIB, 90, 30)));
  }

  @Test
  void tooFewRoundsAreNoProof() {
    assertThrows(
        IllegalArgumentException.class, () -> Flatness.complaints(List.of(new Vitals(1, 1, 1, 1))));
  }
}
