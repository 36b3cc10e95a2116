package dev.virtiolab.testkit;

import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.FaultCounters;
import dev.virtiolab.net.fault.FaultRules;
import dev.virtiolab.net.fault.FaultSpec;
import dev.virtiolab.net.fault.FaultyBackend;
import dev.virtiolab.net.fault.MacPair;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * A guest's wire, and what is to befall its frames. Faults compose, hold from the next frame on,
 * and are of both directions unless one is chosen:
 *
 * <pre>{@code
 * guest.wire().loss(0.05).reorder(0.1, Duration.ofMillis(3));
 * guest.wire().toGuest().delay(Duration.ofMillis(20));
 * }</pre>
 *
 * <p>What befalls a frame follows from the lab's seed, the guest's place in the lab, the frame's
 * direction and number and the rules of the moment, and from nothing else. Any thread may call.
 */
public final class Wire {
  private final FaultyBackend faults;
  private final JournalKeeper keeper;
  private final Set<Direction> directions;

  private Wire(FaultyBackend faults, JournalKeeper keeper, Set<Direction> directions) {
    this.faults = faults;
    this.keeper = keeper;
    this.directions = directions;
  }

  /** The wire that {@code faults} is, before anything crosses it. */
  static Wire on(FaultyBackend faults) {
    JournalKeeper keeper = new JournalKeeper(faults.journal());
    faults.observe(keeper);
    return new Wire(faults, keeper, Set.of(Direction.values()));
  }

  /** The same wire; what is changed through it befalls frames to the guest alone. */
  public Wire toGuest() {
    return new Wire(faults, keeper, Set.of(Direction.IN));
  }

  /** The same wire; what is changed through it befalls frames of the guest alone. */
  public Wire fromGuest() {
    return new Wire(faults, keeper, Set.of(Direction.OUT));
  }

  // ---- faults

  /**
   * Drops this part of all frames.
   *
   * @param part from 0 to 1
   */
  public Wire loss(double part) {
    return change(rules -> rules.withLoss(part));
  }

  /** Has every frame be under way for so long. */
  public Wire delay(Duration time) {
    return change(rules -> rules.withDelay(time));
  }

  /** Likewise, for so much more or less at most. Jitter by itself reorders nothing. */
  public Wire delay(Duration time, Duration jitter) {
    return change(rules -> rules.withDelay(time, jitter));
  }

  /** Has this part of all frames come twice. */
  public Wire duplicate(double part) {
    return change(rules -> rules.withDuplication(part));
  }

  /** Holds this part of all frames back; what comes meanwhile overtakes it. */
  public Wire reorder(double part, Duration hold) {
    return change(rules -> rules.withReordering(part, hold));
  }

  /** Flips a bit in this part of all frames. */
  public Wire corrupt(double part) {
    return change(rules -> rules.withCorruption(part));
  }

  /** Carries so many bits in a second; 0: as many as come. */
  public Wire rate(long bitsPerSecond) {
    return change(rules -> rules.withRate(bitsPerSecond));
  }

  /** Lets so many frames be under way at a time; further ones are dropped. */
  public Wire limit(int frames) {
    return change(rules -> rules.withLimit(frames));
  }

  /** Drops every frame; the link stays up, so that nobody is told. */
  public Wire block() {
    return change(rules -> rules.withBlocked(true));
  }

  /** Drops them no longer. */
  public Wire unblock() {
    return change(rules -> rules.withBlocked(false));
  }

  /**
   * Faults as {@code --fault} of the command line writes them, on top of nothing: those before are
   * forgotten, of both directions.
   *
   * @throws dev.virtiolab.net.fault.FaultSpecException if they cannot be read
   */
  public Wire faults(String... texts) {
    faults.rules(FaultSpec.parse(List.of(texts)));
    return this;
  }

  /** Takes every fault away, a partition too; the cable is left as it is. */
  public Wire heal() {
    return change(rules -> FaultRules.NONE);
  }

  /** Pulls the cable: the link goes down, and what is under way is lost. */
  public Wire unplug() {
    faults.link(false);
    return this;
  }

  /** Plugs it in again. */
  public Wire plugIn() {
    faults.link(true);
    return this;
  }

  /** Drops what these stations send to the guest, broadcasts too, and what it sends to them. */
  void partition(List<Long> stations, long self) {
    synchronized (faults) {
      faults.rules(Direction.IN, faults.rules(Direction.IN).withSilenced(stations));
      FaultRules out = faults.rules(Direction.OUT);
      faults.rules(
          Direction.OUT,
          out.withSeparated(stations.stream().map(other -> new MacPair(self, other)).toList()));
    }
  }

  private Wire change(UnaryOperator<FaultRules> change) {
    synchronized (faults) {
      for (Direction direction : directions) {
        faults.rules(direction, change.apply(faults.rules(direction)));
      }
    }
    return this;
  }

  // ---- what befell

  /** What befell which frame so far. */
  public WireJournal journal() {
    return keeper.journal();
  }

  /** Frames that are under way now. */
  public long waiting() {
    FaultCounters counters = faults.faults();
    return directions.stream().mapToLong(counters::waiting).sum();
  }

  /** Whether the guest's end of the cable has a link. */
  public boolean linkUp() {
    return faults.linkUp();
  }

  FaultCounters counters() {
    return faults.faults();
  }
}
