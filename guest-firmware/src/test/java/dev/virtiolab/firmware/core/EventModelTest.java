package dev.virtiolab.firmware.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/**
 * Random histories of signals, groups, checks, closings and levels, with notifications that do the
 * same again, through the core and through a model of edk2's order that has no queues: it stamps
 * what is pending and looks each time for the highest level's oldest stamp.
 */
class EventModelTest {
  private static final int HISTORIES = 3_000;
  private static final int STEPS = 12;
  private static final UUID[] GROUPS = {null, null, new UUID(0, 1), new UUID(0, 2)};
  private static final int[] TYPES = {
    EventType.NOTIFY_SIGNAL, EventType.NOTIFY_SIGNAL, EventType.NOTIFY_SIGNAL, 0x100, 0
  };

  private enum Action {
    SIGNAL,
    SIGNAL_GROUP,
    CHECK,
    CLOSE,
    RAISED
  }

  /** One thing to do; {@code inner} with the level raised, for RAISED. */
  private record Step(Action action, int target, List<Step> inner) {}

  /** An event's make, and what its notification does each of the first times that it runs. */
  private record Plan(int type, int tpl, UUID group, List<Step> notification) {}

  /** What a history is played on. */
  private interface Player {
    void signal(int event);

    void signalGroup(UUID group);

    String check(int event);

    void close(int event);

    int raise();

    void restore(int tpl);
  }

  /** Plays steps on a player and writes down what happens. */
  private static final class Script {
    private static final int ACTIVE_RUNS = 2;
    final List<Plan> plans;
    final List<String> log = new ArrayList<>();
    private final int[] runs;

    Script(List<Plan> plans) {
      this.plans = plans;
      this.runs = new int[plans.size()];
    }

    void play(Player player, List<Step> steps) {
      for (Step step : steps) {
        switch (step.action) {
          case SIGNAL -> player.signal(step.target);
          case SIGNAL_GROUP -> player.signalGroup(GROUPS[2 + step.target % 2]);
          case CHECK -> log.add("check " + step.target + " " + player.check(step.target));
          case CLOSE -> player.close(step.target);
          case RAISED -> {
            int old = player.raise();
            play(player, step.inner);
            player.restore(old);
          }
        }
      }
    }

    void run(Player player, int event) {
      log.add("enter " + event);
      if (runs[event]++ < ACTIVE_RUNS) {
        play(player, plans.get(event).notification);
      }
      log.add("leave " + event);
    }
  }

  /** The core's own classes. */
  private static final class Real implements Player {
    private final NotifyQueue queue = new NotifyQueue(CoreSetup.EDK2);
    private final TplService tpl = new TplService(queue, DispatchObserver.NONE);
    private final EventService service = new EventService(tpl, queue, CoreSetup.EDK2);
    private final List<Event> events = new ArrayList<>();

    Real(Script script) {
      for (int i = 0; i < script.plans.size(); i++) {
        int number = i;
        Plan plan = script.plans.get(i);
        events.add(
            service.add(
                plan.type,
                plan.tpl,
                (event, context) -> script.run(this, number),
                null,
                plan.group));
      }
    }

    @Override
    public void signal(int event) {
      service.signal(events.get(event));
    }

    @Override
    public void signalGroup(UUID group) {
      service.signalGroup(group);
    }

    @Override
    public String check(int event) {
      return service.check(events.get(event)).name();
    }

    @Override
    public void close(int event) {
      service.close(events.get(event));
    }

    @Override
    public int raise() {
      return tpl.raise(Math.max(tpl.current(), Tpl.NOTIFY));
    }

    @Override
    public void restore(int old) {
      tpl.restore(old);
    }
  }

  /** The model. */
  private static final class Model implements Player {
    private final Script script;
    private final boolean[] signalled;
    private final boolean[] closed;
    private final long[] stamps;
    private long clock;
    private int tpl = Tpl.APPLICATION;

    Model(Script script) {
      this.script = script;
      signalled = new boolean[script.plans.size()];
      closed = new boolean[signalled.length];
      stamps = new long[signalled.length];
    }

    @Override
    public void signal(int event) {
      if (closed[event] || signalled[event]) {
        return;
      }
      signalled[event] = true;
      if (plan(event).type == EventType.NOTIFY_SIGNAL) {
        if (plan(event).group == null) {
          stamps[event] = ++clock;
        } else {
          stampGroup(plan(event).group);
        }
      }
      runPendingAbove(tpl);
    }

    @Override
    public void signalGroup(UUID group) {
      stampGroup(group);
      runPendingAbove(tpl);
    }

    @Override
    public String check(int event) {
      if (closed[event] || plan(event).type == EventType.NOTIFY_SIGNAL) {
        return "INVALID_PARAMETER";
      }
      if (!signalled[event] && plan(event).type == EventType.NOTIFY_WAIT) {
        stamps[event] = ++clock;
        runPendingAbove(tpl);
      }
      boolean was = signalled[event];
      signalled[event] = false;
      return was ? "SUCCESS" : "NOT_READY";
    }

    @Override
    public void close(int event) {
      closed[event] = true;
      stamps[event] = 0;
    }

    @Override
    public int raise() {
      int old = tpl;
      tpl = Math.max(tpl, Tpl.NOTIFY);
      return old;
    }

    @Override
    public void restore(int old) {
      runPendingAbove(old);
      tpl = old;
    }

    private void stampGroup(UUID group) {
      for (int event = signalled.length - 1; event >= 0; event--) {
        if (!closed[event]
            && group.equals(plan(event).group)
            && plan(event).type == EventType.NOTIFY_SIGNAL) {
          stamps[event] = ++clock;
        }
      }
    }

    private void runPendingAbove(int floor) {
      for (int next = next(floor); next >= 0; next = next(floor)) {
        stamps[next] = 0;
        if (plan(next).type == EventType.NOTIFY_SIGNAL) {
          signalled[next] = false;
        }
        int old = tpl;
        tpl = plan(next).tpl;
        script.run(this, next);
        tpl = old;
      }
    }

    private int next(int floor) {
      int best = -1;
      for (int event = 0; event < stamps.length; event++) {
        if (stamps[event] != 0
            && plan(event).tpl > floor
            && (best < 0
                || plan(event).tpl > plan(best).tpl
                || (plan(event).tpl == plan(best).tpl && stamps[event] < stamps[best]))) {
          best = event;
        }
      }
      return best;
    }

    private Plan plan(int event) {
      return script.plans.get(event);
    }
  }

  @Test
  void theCoreRunsNotificationsInEdk2sOrder() {
    SplittableRandom random = Seed.random("EventModelTest");
    long notifications = 0;
    for (int history = 0; history < HISTORIES; history++) {
      int events = random.nextInt(2, 9);
      List<Plan> plans = new ArrayList<>();
      for (int i = 0; i < events; i++) {
        int type = TYPES[random.nextInt(TYPES.length)];
        int tpl = type == 0 ? 0 : random.nextBoolean() ? Tpl.CALLBACK : Tpl.NOTIFY;
        UUID group = GROUPS[random.nextInt(GROUPS.length)];
        plans.add(new Plan(type, tpl, group, steps(random, random.nextInt(4), events, 1)));
      }
      List<Step> steps = steps(random, STEPS, events, 2);
      Script real = new Script(plans);
      real.play(new Real(real), steps);
      Script model = new Script(plans);
      model.play(new Model(model), steps);
      assertEquals(String.join("\n", model.log), String.join("\n", real.log), plans + "\n" + steps);
      notifications += real.log.size();
    }
    System.out.println("EventModelTest: log lines compared: " + notifications);
  }

  private static List<Step> steps(SplittableRandom random, int count, int events, int depth) {
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int dice = random.nextInt(20);
      Action action =
          dice < 8
              ? Action.SIGNAL
              : dice < 11
                  ? Action.SIGNAL_GROUP
                  : dice < 14 ? Action.CHECK : dice < 15 ? Action.CLOSE : Action.RAISED;
      boolean raised = action == Action.RAISED;
      steps.add(
          new Step(
              raised && depth == 0 ? Action.SIGNAL : action,
              random.nextInt(events),
              raised && depth > 0 ? steps(random, 4, events, depth - 1) : List.of()));
    }
    return steps;
  }
}
