/**
 * Guests and labs on container networks, with Testcontainers: for who has it on the class path, and
 * a Docker engine. Nothing outside of this package needs either.
 *
 * <pre>
 *   test's JVM                          | engine
 *   Guest - faults - capture - stream ==|== cable container: switch - TAP - bridge - eth0 --+
 *                                       |                                                  | network
 *                                       |   any other container: eth0 ---------------------+
 * </pre>
 *
 * <p>{@link dev.virtiolab.testkit.containers.NetworkCable} is a {@link
 * dev.virtiolab.testkit.Wiring}: the guest stays in the test's JVM with its faults, its capture and
 * its counters, and has an address of its own in the network, or beside one container in its
 * network namespace. {@link dev.virtiolab.testkit.containers.LabContainer} runs a whole {@code
 * vlab} in a container.
 *
 * <p>What is made here carries a label that names this process, and is removed when the process is
 * gone, however it ended: see {@link dev.virtiolab.testkit.containers.Owned}.
 */
package dev.virtiolab.testkit.containers;
