package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CoreTest {
  private final List<String> ran = new ArrayList<>();
  private final Core core = new Core(() -> {});

  private Event event(Level level, String name) {
    return new Event(level, () -> ran.add(name));
  }

  /** Says its name, signals another, and says when that has returned. */
  private Event signaller(Level level, String name, Event... others) {
    return new Event(
        level,
        () -> {
          ran.add(name);
          for (Event other : others) {
            core.signal(other);
          }
          ran.add(name + " returns");
        });
  }

  @Test
  void aGroupRunsInTheOrderGivenTheHigherLevelFirst() {
    core.signalGroup(
        List.of(
            event(Level.CALLBACK, "c1"), event(Level.NOTIFY, "n1"), event(Level.CALLBACK, "c2")));

    assertEquals(List.of("n1", "c1", "c2"), ran);
  }

  @Test
  void whoIsSignalledAtTheSameLevelRunsAfterAllWhoWaitThere() {
    Event late = event(Level.CALLBACK, "late");

    core.signalGroup(List.of(signaller(Level.CALLBACK, "c1", late), event(Level.CALLBACK, "c2")));

    assertEquals(List.of("c1", "c1 returns", "c2", "late"), ran);
  }

  @Test
  void whoIsSignalledAtAHigherLevelRunsAtOnceInsideTheSignaller() {
    Event nested = event(Level.NOTIFY, "nested");

    core.signalGroup(List.of(signaller(Level.CALLBACK, "c1", nested), event(Level.CALLBACK, "c2")));

    assertEquals(List.of("c1", "nested", "c1 returns", "c2"), ran);
  }

  @Test
  void whoIsSignalledAtALowerLevelRunsAfterTheGroupsMembersThere() {
    Event late = event(Level.CALLBACK, "late");

    core.signalGroup(List.of(signaller(Level.NOTIFY, "n1", late), event(Level.CALLBACK, "c1")));

    assertEquals(List.of("n1", "n1 returns", "c1", "late"), ran);
  }

  @Test
  void whoWaitsAlreadyKeepsItsPlaceAndWhoHasRunIsQueuedAgain() {
    Event late = event(Level.CALLBACK, "late");
    Event later = event(Level.CALLBACK, "later");

    core.signalGroup(
        List.of(
            signaller(Level.CALLBACK, "c1", late, later), signaller(Level.CALLBACK, "c2", late)));
    core.signal(late);

    assertEquals(List.of("c1", "c1 returns", "c2", "c2 returns", "late", "later", "late"), ran);
  }

  @Test
  void outsideOfHandlersASignalRunsAtOnce() {
    core.signal(event(Level.CALLBACK, "c1"));
    core.signal(event(Level.NOTIFY, "n1"));

    assertEquals(List.of("c1", "n1"), ran);
  }
}
