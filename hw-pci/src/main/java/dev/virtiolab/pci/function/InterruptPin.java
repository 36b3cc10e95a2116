package dev.virtiolab.pci.function;

/**
 * The wire of a function's interrupt pin, level-triggered (PCI Local Bus 3.0, 2.2.6 "Interrupt
 * Pins").
 *
 * <p>Called on any thread, with the function's lock held, once per change of level: it must be
 * quick, must not throw and must not call back into the function.
 */
@FunctionalInterface
public interface InterruptPin {
  /** A pin that is not connected. */
  InterruptPin UNCONNECTED = asserted -> {};

  void level(boolean asserted);
}
