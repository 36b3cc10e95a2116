package dev.virtiolab.integration;

import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.pci.cpu.CpuClock;

/** A clock that moves only when the guest waits, and then lets the device work. */
final class SteppedClock implements CpuClock {
  private static final int BATCH = 64;

  private final Mainboard hardware;
  private long nanos;

  SteppedClock(Mainboard hardware) {
    this.hardware = hardware;
  }

  @Override
  public long nanos() {
    return nanos;
  }

  @Override
  public void idle(long duration) {
    nanos += duration;
    hardware.nic().poll(BATCH);
  }
}
