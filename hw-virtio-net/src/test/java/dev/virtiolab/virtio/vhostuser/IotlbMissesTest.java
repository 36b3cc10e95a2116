package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.IotlbMisses.AGAIN_NANOS;
import static dev.virtiolab.virtio.vhostuser.IotlbMisses.CAPACITY;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.IOTLB_READ;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.IOTLB_WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.vhostuser.IotlbMisses.Verdict;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** What was asked for and has not come, against front-ends that answer late, and not as asked. */
class IotlbMissesTest {
  private final IotlbMisses misses = new IotlbMisses();

  private static long page(int number) {
    return number * 4096L;
  }

  private Verdict ask(int number) {
    Verdict verdict = misses.verdict(page(number) + 123, IOTLB_READ, 0);
    if (verdict == Verdict.ASK) {
      misses.sent(page(number) + 123, IOTLB_READ);
    }
    return verdict;
  }

  private void comes(int number) {
    misses.came(page(number), 4096, IOTLB_READ);
  }

  @Test
  void aPageIsAskedForOnceAndRefusedOnce() {
    assertEquals(Verdict.ASK, ask(7));
    assertEquals(Verdict.WAIT, ask(7));
    misses.answered();
    assertEquals(Verdict.REFUSED, ask(7));
    assertEquals(Verdict.ASK, ask(7));
    comes(7);
    assertFalse(misses.any());
    misses.answered();
    assertEquals(Verdict.ASK, ask(7), "an answer that was about an earlier translation");
  }

  /** Translations come at once, and the answers that say so much later. */
  @Test
  void anAnswerIsAboutItsQuestionHoweverLateItComes() {
    for (int i = 0; i < 3 * CAPACITY; i++) {
      assertEquals(Verdict.ASK, ask(i));
      comes(i);
    }
    assertFalse(misses.any());
    assertEquals(Verdict.ASK, ask(1000));
    for (int i = 0; i < 3 * CAPACITY; i++) {
      misses.answered();
      assertEquals(Verdict.WAIT, ask(1000), "answer " + i + " is about another page");
    }
    misses.answered();
    assertEquals(Verdict.REFUSED, ask(1000));
  }

  @Test
  void whatIsForgottenIsAnsweredNevertheless() {
    ask(1);
    misses.forget();
    assertEquals(Verdict.ASK, ask(2));
    misses.answered();
    assertEquals(Verdict.WAIT, ask(2), "that was about the page forgotten");
    misses.answered();
    assertEquals(Verdict.REFUSED, ask(2));
  }

  @Test
  void anotherChannelOwesNoAnswers() {
    ask(1);
    misses.clear();
    assertEquals(Verdict.ASK, ask(2));
    misses.answered();
    assertEquals(Verdict.REFUSED, ask(2));
    misses.answered();
    assertEquals(Verdict.ASK, ask(2), "an answer to nothing");
  }

  @Test
  void aTranslationThatPermitsLessIsNotWhatWasAskedFor() {
    assertEquals(Verdict.ASK, misses.verdict(page(1), IOTLB_WRITE, 0));
    misses.sent(page(1), IOTLB_WRITE);
    misses.came(page(1), 4096, IOTLB_READ);
    assertEquals(Verdict.WAIT, misses.verdict(page(1), IOTLB_WRITE, 0));
    misses.answered();
    assertEquals(Verdict.REFUSED, misses.verdict(page(1), IOTLB_WRITE, 0));
  }

  @Test
  void whereNoAnswerIsToComeItIsAskedAgainAfterAWhile() {
    for (int i = 0; i < CAPACITY; i++) {
      assertEquals(Verdict.ASK, misses.verdict(page(i), IOTLB_READ, 0));
    }
    assertEquals(Verdict.WAIT, misses.verdict(page(0), IOTLB_READ, AGAIN_NANOS - 1));
    assertEquals(Verdict.WAIT, misses.verdict(page(1000), IOTLB_READ, AGAIN_NANOS - 1));
    assertEquals(Verdict.ASK, misses.verdict(page(0), IOTLB_READ, AGAIN_NANOS));
    assertEquals(Verdict.ASK, misses.verdict(page(1000), IOTLB_READ, AGAIN_NANOS));
    misses.notSent(page(1000), IOTLB_READ);
    assertEquals(Verdict.ASK, misses.verdict(page(1000), IOTLB_READ, AGAIN_NANOS));
  }

  /** Those who were refused and never came again make room. */
  @Test
  void refusalsThatNobodyCameForMakeRoom() {
    for (int i = 0; i < 3 * CAPACITY; i++) {
      assertEquals(Verdict.ASK, ask(i));
      misses.answered();
    }
  }

  /**
   * A front-end as QEMU: it takes question after question, tells a translation or none, and answers
   * sometime afterwards. Who is refused was refused by it, since he asked last.
   */
  @Test
  void onlyWhoWasRefusedIsRefused() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("IotlbMissesTest: -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    ArrayDeque<Integer> questions = new ArrayDeque<>();
    ArrayDeque<Integer> answers = new ArrayDeque<>(); // the page refused, -1 for one that came
    Map<Integer, Boolean> refused = new HashMap<>();
    int refusals = 0;
    int waits = 0;
    for (int step = 0; step < 200_000; step++) {
      int number = random.nextInt(100);
      switch (random.nextInt(8)) {
        case 0, 1, 2, 3 -> {
          switch (ask(number)) {
            case ASK -> {
              questions.add(number);
              refused.put(number, false);
            }
            case REFUSED -> {
              assertTrue(refused.get(number), "page " + number + " in step " + step);
              refused.put(number, false);
              refusals++;
            }
            case WAIT -> {
              assertNotEquals(0, questions.size() + answers.size(), "waits for nothing");
              waits++;
            }
          }
        }
        case 4, 5 -> {
          if (!questions.isEmpty()) {
            int about = questions.remove();
            if (random.nextInt(4) == 0) {
              answers.add(about);
            } else {
              comes(about);
              answers.add(-1);
            }
          }
        }
        case 6 -> {
          for (int left = random.nextInt(40); left > 0 && !answers.isEmpty(); left--) {
            int about = answers.remove();
            if (about >= 0) {
              refused.put(about, true);
            }
            misses.answered();
          }
        }
        default -> {
          if (random.nextInt(200) == 0) {
            misses.forget();
            refused.clear();
          }
        }
      }
    }
    assertTrue(refusals > 1000 && waits > 1000, refusals + " refusals, " + waits + " waits");
  }
}
