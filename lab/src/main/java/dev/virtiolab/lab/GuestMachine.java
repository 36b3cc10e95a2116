package dev.virtiolab.lab;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.socket.GuestTcp;
import dev.virtiolab.lab.socket.GuestUdp;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.NetBackend;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** A running machine whose guest is a thread of this process, whoever's its network card is. */
public interface GuestMachine extends AutoCloseable {

  /** Switches machines on. */
  @FunctionalInterface
  interface Maker {
    /**
     * Switches a machine on, and returns when its guest is up.
     *
     * @param wire what the NIC is plugged into; stays the caller's to close, after the machine
     * @param guestAddress what the guest answers to
     * @param trace the timeline to put it on; stays the caller's to close, after the machine
     * @throws LabException if the machine cannot be had, or its guest does not boot
     */
    GuestMachine start(
        MachineConfig config, NetBackend wire, Ipv4Address guestAddress, Optional<Trace> trace);
  }

  /** The guest's CPU. */
  GuestThread guest();

  /** What crossed the NIC so far. */
  TrafficReport report();

  /** Why it cannot go on, in one line; empty while nothing is known against it. Any thread. */
  Optional<String> trouble();

  /** Whether the thread that moves frames between guest and wire runs. Any thread. */
  boolean moving();

  /**
   * Waits until Ctrl-C.
   *
   * @throws IllegalStateException if a thread of the machine breaks first
   * @throws LabException if the wire goes first, or what the machine is made of
   */
  void runUntilInterrupted();

  /**
   * Likewise.
   *
   * @param wireUp whether the wire is there, or will come back; looked at now and then
   */
  default void runUntilInterrupted(BooleanSupplier wireUp) {
    try {
      while (wireUp.getAsBoolean() && moving()) {
        Optional<String> trouble = trouble();
        if (trouble.isPresent()) {
          throw LabException.failure(trouble.get());
        }
        try {
          guest().ended().get(100, TimeUnit.MILLISECONDS);
          return;
        } catch (TimeoutException e) {
          // Still running.
        }
      }
      if (wireUp.getAsBoolean()) {
        throw new IllegalStateException("the thread that moves the frames died");
      }
      throw LabException.failure("the wire is gone");
    } catch (InterruptedException e) {
      // Ctrl-C is how this ends.
    } catch (ExecutionException e) {
      throw e.getCause() instanceof LabException known
          ? known
          : new IllegalStateException("the guest broke", e.getCause());
    }
  }

  /** The guest's TCP, from any thread. */
  default GuestTcp tcp() {
    return new GuestTcp(guest());
  }

  /** The guest's UDP, from any thread. */
  default GuestUdp udp() {
    return new GuestUdp(guest());
  }

  /** Switches it off. */
  @Override
  void close();
}
