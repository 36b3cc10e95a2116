package dev.virtiolab.lab.serve;

import java.util.List;

/** A NIC that is being served; clients come and go until it is closed. */
public interface Service extends AutoCloseable {

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
