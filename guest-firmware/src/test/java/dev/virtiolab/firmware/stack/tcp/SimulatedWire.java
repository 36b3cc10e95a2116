package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.fixture.VirtualClock;
import java.util.PriorityQueue;
import java.util.SplittableRandom;

/**
 * Two hosts and what lies between them: every frame takes a time, and by chance is lost, doubled,
 * overtaken or changed. Time is the virtual clock's, and moves from one thing to the next.
 */
final class SimulatedWire {
  static final long MILLISECOND = 1_000_000L;

  /** What a frame is in for, each from 0 to 1. */
  record Faults(double loss, double duplication, double reordering, double corruption) {
    static final Faults NONE = new Faults(0, 0, 0, 0);
  }

  private record Flying(long due, long number, boolean toRight, byte[] frame)
      implements Comparable<Flying> {
    @Override
    public int compareTo(Flying other) {
      int byDue = Long.compare(due, other.due);
      return byDue != 0 ? byDue : Long.compare(number, other.number);
    }
  }

  final VirtualClock clock = new VirtualClock();
  final TcpHost left;
  final TcpHost right;
  private final SplittableRandom random;
  private final PriorityQueue<Flying> flying = new PriorityQueue<>();
  Faults faults = Faults.NONE;
  boolean partitioned;
  long latency = MILLISECOND;
  private long frames;

  SimulatedWire(SplittableRandom random) {
    this(random, random.nextLong());
  }

  /**
   * @param leftSeed of the left host
   */
  SimulatedWire(SplittableRandom random, long leftSeed) {
    this.random = random;
    left = new TcpHost(clock, 0x020000000001L, "10.0.0.1", leftSeed);
    right = new TcpHost(clock, 0x020000000002L, "10.0.0.2", random.nextLong());
  }

  /** Lets both hosts have a turn, and time pass to the next thing, at most 10 ms. */
  void step() {
    left.turn();
    right.turn();
    take(left, true);
    take(right, false);
    long now = clock.nanos();
    long next = flying.isEmpty() ? Long.MAX_VALUE : flying.peek().due() - now;
    clock.advance(Math.clamp(next, 0, 10 * MILLISECOND));
    while (!flying.isEmpty() && flying.peek().due() <= clock.nanos()) {
      Flying arrived = flying.remove();
      (arrived.toRight() ? right : left).snp.deliver(arrived.frame());
    }
  }

  private void take(TcpHost from, boolean toRight) {
    for (byte[] frame : from.snp.takeSent()) {
      frames++;
      if (partitioned || random.nextDouble() < faults.loss()) {
        continue;
      }
      launch(toRight, frame);
      if (random.nextDouble() < faults.duplication()) {
        launch(toRight, frame);
      }
    }
  }

  private void launch(boolean toRight, byte[] frame) {
    byte[] bytes = frame.clone();
    if (random.nextDouble() < faults.corruption()) {
      bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
    }
    long late = random.nextDouble() < faults.reordering() ? random.nextLong(8 * latency) : 0;
    flying.add(new Flying(clock.nanos() + latency + late, frames, toRight, bytes));
  }

  long frames() {
    return frames;
  }
}
