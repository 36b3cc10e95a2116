package dev.virtiolab.integration;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ping;
import dev.virtiolab.lab.Machine;
import java.util.concurrent.TimeUnit;

/** One guest pings another, with the guest's own network stack. */
final class GuestPings {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(20);

  private GuestPings() {}

  /**
   * Sends requests one after the other, each when the one before was answered or given up.
   *
   * @return how many were answered
   */
  static long repliesTo(Machine machine, Ipv4Address address, int requests, int size) {
    return machine
        .guest()
        .ask(
            firmware -> {
              try (Ping ping = firmware.stack().ping(address, size)) {
                while (ping.sent() < requests) {
                  if (ping.send(PATIENCE_NANOS)) {
                    while (ping.state() == Ping.State.WAITING) {
                      firmware.turn();
                    }
                  } else {
                    firmware.turn();
                  }
                }
                return ping.replies();
              }
            });
  }
}
