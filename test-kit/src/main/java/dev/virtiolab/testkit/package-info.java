/**
 * Guests with emulated NICs for other people's tests.
 *
 * <pre>
 *   LabExtension --starts--> Lab --has--> Guest alice   Guest bob    TestPort (raw frames)
 *    (one JUnit test                        |             |              |
 *     or one class)                        Wire          Wire            |
 *                                           +------ switch in memory ----+
 * </pre>
 *
 * <p>{@link dev.virtiolab.testkit.LabExtension} is the door for JUnit tests, {@link
 * dev.virtiolab.testkit.Lab} for everything else. {@link dev.virtiolab.testkit.GuestSpec} says what
 * guest, {@link dev.virtiolab.testkit.Wiring} what it is plugged into, {@link
 * dev.virtiolab.testkit.Wire} what befalls its frames.
 *
 * <p>Called from the test's threads. Each guest has two threads of its own, device and CPU, and a
 * lab one for its switch; what a test reads are copies. Nothing static is shared: any number of
 * labs run in one process.
 */
package dev.virtiolab.testkit;
