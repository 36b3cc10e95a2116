package dev.virtiolab.lab.dmacheck;

import dev.virtiolab.pci.cpu.CpuClock;

/**
 * A clock that moves only when the guest waits, or the lab notes something; the device works then.
 */
public final class StepClock implements CpuClock {
  /** So long takes what is noted: no two things happen at the same time. */
  private static final long NOTE_NANOS = 1_000;

  private long nanos;
  private Runnable device = () -> {};

  /** At zero. */
  public StepClock() {}

  /** Sets what runs whenever the guest lets time pass. */
  public void drive(Runnable work) {
    device = work;
  }

  /** The time of something that is noted: later than everything before. */
  public long mark() {
    nanos += NOTE_NANOS;
    return nanos;
  }

  @Override
  public long nanos() {
    return nanos;
  }

  @Override
  public void idle(long duration) {
    nanos += duration;
    device.run();
  }
}
