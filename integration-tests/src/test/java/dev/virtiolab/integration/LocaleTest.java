package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What a program reads is the same wherever {@code vlab} runs. */
class LocaleTest {
  private static final String[] CELL = {
    "ebs", "--policy", "requeue-callback", "--driver", "allocates", "--platform", "sev", "--json"
  };

  @Test
  void whereDigitsAreOthersTheSameBytesAreWritten() {
    try (Vlab here = Vlab.asMyself();
        Vlab there = Vlab.asMyself()) {
      Vlab.Ended expected = here.run(CELL);
      assertTrue(expected.out().contains("the key of the memory map is "), expected.err());

      Vlab.Ended ended =
          there
              .java("-Duser.language=ar", "-Duser.country=EG", "-Duser.extensions=u-nu-arab")
              .run(CELL);

      assertEquals(expected.out(), ended.out());
    }
  }
}
