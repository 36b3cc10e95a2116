package dev.virtiolab.pci.cpu;

/** Time as the guest's CPU counts it, and a way to let it pass. */
public interface CpuClock {

  /** Nanoseconds since the machine was switched on; never runs backwards. */
  long nanos();

  /**
   * Lets at most {@code nanos} pass, as a CPU that polls with a pause or a halt would. A real clock
   * may give the processor to others meanwhile; a virtual one moves forward and lets devices run.
   */
  void idle(long nanos);
}
