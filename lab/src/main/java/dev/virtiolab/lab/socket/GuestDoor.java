package dev.virtiolab.lab.socket;

import dev.virtiolab.firmware.Firmware;
import java.time.Duration;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/** How a program outside the guest's thread has something done inside it. */
public interface GuestDoor {

  /**
   * Runs {@code request} on the guest's thread, between two turns, and waits for its result.
   *
   * @throws IllegalStateException if the guest has ended
   */
  <T> T ask(Function<Firmware, T> request);

  /**
   * Runs {@code attempt} on the guest's thread after every turn until it gives something.
   *
   * @param attempt gives null as long as there is nothing; not called once this has returned
   * @param deadline how long to wait at most
   * @throws TimeoutException if there is nothing until then
   * @throws IllegalStateException if the guest has ended
   */
  <T> T await(Function<Firmware, T> attempt, Duration deadline) throws TimeoutException;
}
