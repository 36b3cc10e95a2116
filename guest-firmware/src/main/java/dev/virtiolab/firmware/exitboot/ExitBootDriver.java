package dev.virtiolab.firmware.exitboot;

/**
 * A network driver on trial: what it does at ExitBootServices is what sets it apart.
 *
 * <p>The seam for a row of the lab's matrix. One object is started on one card; a machine with two
 * cards has two. A class that implements this and has a constructor without parameters is all that
 * {@code vlab ebs --with} needs.
 */
public interface ExitBootDriver {

  /** As in reports and on the command line: lower-case words with hyphens between. */
  String name();

  /** What it does at ExitBootServices, in a line. */
  String title();

  /**
   * Brings the card up, with receive buffers posted, and creates the events that it needs at
   * ExitBootServices.
   *
   * @throws dev.virtiolab.firmware.BootException if a step fails
   */
  NetworkCard start(DriverSeat seat);
}
