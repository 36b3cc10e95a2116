package dev.virtiolab.net.fault;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * What is to befall the frames of one direction. Begin with {@link #NONE}, and add what is wanted;
 * faults compose. In the order in which a frame meets them: partition, loss, the limit, corruption,
 * duplication, the rate, the delay with its jitter, and being held back.
 *
 * <p>Jitter by itself reorders nothing: who is delayed for longer delays those behind. Reordering
 * is a fault of its own: a frame that is held back lets those behind it pass.
 *
 * @param loss probability, 0 to 1, that a frame is dropped
 * @param corruption probability that one of its bits is flipped, any bit
 * @param duplication probability that it comes twice
 * @param reordering probability that it is held back
 * @param holdNanos for how long, in nanoseconds; what comes meanwhile overtakes it
 * @param delayNanos how long a frame is under way, in nanoseconds
 * @param jitterNanos by how much more or less at most
 * @param bitsPerSecond what the wire carries, counting the bytes of the frames; 0: no limit
 * @param blocked whether every frame is dropped: a partition of this direction
 * @param separated stations that do not reach each other. A frame to a group passes, since others
 *     may want it
 * @param silenced stations, by Ethernet address, none of whose frames passes, to a group neither
 * @param limitFrames how many frames may be under way at a time; further ones are dropped
 */
public record FaultRules(
    double loss,
    double corruption,
    double duplication,
    double reordering,
    long holdNanos,
    long delayNanos,
    long jitterNanos,
    long bitsPerSecond,
    boolean blocked,
    List<MacPair> separated,
    List<Long> silenced,
    int limitFrames) {

  /** Frames under way, unless it is said otherwise. */
  public static final int DEFAULT_LIMIT_FRAMES = 1000;

  /** Frames under way, at most. */
  public static final int MAX_LIMIT_FRAMES = 65_536;

  /** The longest time that can be asked for. */
  public static final Duration LONGEST = Duration.ofHours(1);

  /** How long a frame is held back, unless it is said otherwise. */
  public static final Duration DEFAULT_HOLD = Duration.ofMillis(10);

  /** Nothing befalls a frame. */
  public static final FaultRules NONE =
      new FaultRules(
          0,
          0,
          0,
          0,
          DEFAULT_HOLD.toNanos(),
          0,
          0,
          0,
          false,
          List.of(),
          List.of(),
          DEFAULT_LIMIT_FRAMES);

  /**
   * @throws IllegalArgumentException if a value is out of its range
   */
  public FaultRules {
    checkProbability("loss", loss);
    checkProbability("corruption", corruption);
    checkProbability("duplication", duplication);
    checkProbability("reordering", reordering);
    checkNanos("holding back", holdNanos);
    checkNanos("delay", delayNanos);
    checkNanos("jitter", jitterNanos);
    if (bitsPerSecond < 0) {
      throw new IllegalArgumentException("a rate is positive, not " + bitsPerSecond);
    }
    if (limitFrames < 1 || limitFrames > MAX_LIMIT_FRAMES) {
      throw new IllegalArgumentException(
          "from 1 to " + MAX_LIMIT_FRAMES + " frames can be under way, not " + limitFrames);
    }
    separated = List.copyOf(separated);
    silenced = List.copyOf(silenced);
  }

  private static void checkProbability(String what, double value) {
    if (!(value >= 0 && value <= 1)) {
      throw new IllegalArgumentException(
          what + " is a probability from 0 to 1 (0% to 100%), not " + value);
    }
  }

  private static void checkNanos(String what, long nanos) {
    if (nanos < 0 || nanos > LONGEST.toNanos()) {
      throw new IllegalArgumentException(
          what + " takes from 0 to " + LONGEST.toHours() + " h, not " + Duration.ofNanos(nanos));
    }
  }

  /** Rules that are being changed. */
  private static final class Draft {
    double loss;
    double corruption;
    double duplication;
    double reordering;
    long holdNanos;
    long delayNanos;
    long jitterNanos;
    long bitsPerSecond;
    boolean blocked;
    List<MacPair> separated;
    List<Long> silenced;
    int limitFrames;

    Draft(FaultRules rules) {
      loss = rules.loss;
      corruption = rules.corruption;
      duplication = rules.duplication;
      reordering = rules.reordering;
      holdNanos = rules.holdNanos;
      delayNanos = rules.delayNanos;
      jitterNanos = rules.jitterNanos;
      bitsPerSecond = rules.bitsPerSecond;
      blocked = rules.blocked;
      separated = rules.separated;
      silenced = rules.silenced;
      limitFrames = rules.limitFrames;
    }

    FaultRules finish() {
      return new FaultRules(
          loss,
          corruption,
          duplication,
          reordering,
          holdNanos,
          delayNanos,
          jitterNanos,
          bitsPerSecond,
          blocked,
          separated,
          silenced,
          limitFrames);
    }
  }

  private FaultRules with(Consumer<Draft> change) {
    Draft draft = new Draft(this);
    change.accept(draft);
    return draft.finish();
  }

  /** Drops this part of all frames, 0 to 1. */
  public FaultRules withLoss(double probability) {
    return with(draft -> draft.loss = probability);
  }

  /** Flips a bit in this part of all frames. */
  public FaultRules withCorruption(double probability) {
    return with(draft -> draft.corruption = probability);
  }

  /** Sends this part of all frames twice. */
  public FaultRules withDuplication(double probability) {
    return with(draft -> draft.duplication = probability);
  }

  /** Holds this part of all frames back for {@link #DEFAULT_HOLD}. */
  public FaultRules withReordering(double probability) {
    return withReordering(probability, DEFAULT_HOLD);
  }

  /** Holds this part of all frames back. */
  public FaultRules withReordering(double probability, Duration hold) {
    return with(
        draft -> {
          draft.reordering = probability;
          draft.holdNanos = nanos(hold);
        });
  }

  /** Delays every frame. */
  public FaultRules withDelay(Duration delay) {
    return withDelay(delay, Duration.ofNanos(jitterNanos));
  }

  /**
   * Delays every frame.
   *
   * @param jitter by how much more or less at most; what would be less than nothing is nothing
   */
  public FaultRules withDelay(Duration delay, Duration jitter) {
    return with(
        draft -> {
          draft.delayNanos = nanos(delay);
          draft.jitterNanos = nanos(jitter);
        });
  }

  /** Carries so many bits in a second; 0: as many as come. */
  public FaultRules withRate(long bits) {
    return with(draft -> draft.bitsPerSecond = bits);
  }

  /** Drops everything, or no longer. */
  public FaultRules withBlocked(boolean all) {
    return with(draft -> draft.blocked = all);
  }

  /** Separates two stations as well. */
  public FaultRules withSeparated(MacPair stations) {
    List<MacPair> all = new ArrayList<>(separated);
    all.add(stations);
    return withSeparated(all);
  }

  /** Separates these and no others. */
  public FaultRules withSeparated(List<MacPair> stations) {
    return with(draft -> draft.separated = stations);
  }

  /**
   * Drops every frame of these stations and of no others: towards a NIC, those that it is never to
   * hear, be it by a broadcast.
   *
   * @param stations Ethernet addresses of 48 bits, the first octet the highest
   */
  public FaultRules withSilenced(List<Long> stations) {
    return with(draft -> draft.silenced = stations);
  }

  /** Lets so many frames be under way at a time. */
  public FaultRules withLimit(int frames) {
    return with(draft -> draft.limitFrames = frames);
  }

  private static long nanos(Duration time) {
    // Saturates: the constructor says what is too long.
    return time.compareTo(LONGEST) > 0 ? Long.MAX_VALUE : time.toNanos();
  }

  /** Whether nothing befalls a frame. */
  public boolean isQuiet() {
    return loss == 0
        && corruption == 0
        && !blocked
        && separated.isEmpty()
        && silenced.isEmpty()
        && !isQueued();
  }

  /** Whether a frame has to be kept for a while, or twice. */
  boolean isQueued() {
    return duplication > 0
        || reordering > 0
        || delayNanos > 0
        || jitterNanos > 0
        || bitsPerSecond > 0;
  }
}
