package dev.virtiolab.lab.serve;

import dev.virtiolab.virtio.net.VirtioNet;
import java.util.List;
import java.util.function.LongSupplier;

/** A NIC that is being served; clients come and go until it is closed. */
public interface Service extends AutoCloseable {
  /**
   * What clients did; any thread may ask.
   *
   * @param served that came and were served
   * @param turnedAway that came while another was served
   * @param messages that made sense
   * @param refused messages that were not granted
   */
  record Clients(
      LongSupplier served, LongSupplier turnedAway, LongSupplier messages, LongSupplier refused) {}

  /** What clients did. */
  Clients clients();

  /** The NIC, for whoever watches it. */
  VirtioNet nic();

  /**
   * Waits for Ctrl-C.
   *
   * @throws IllegalStateException if a thread of the service breaks first
   */
  void runUntilInterrupted();

  /** What crossed so far, in lines for a person. */
  List<String> report();

  /** Lets the client go, and stops the device; the wire stays its owner's to close. */
  @Override
  void close();
}
