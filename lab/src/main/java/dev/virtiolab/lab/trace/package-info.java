/**
 * Seeing it: what device, driver and platform of a machine do, as a timeline in a file ({@code
 * --trace}) and as events of the JDK's Flight Recorder.
 *
 * <pre>
 *   VirtioNet ── NicObserver ─────────┐
 *   BusMaster ── DmaFaultObserver ────┤                    ┌─ MachineTrace ── TraceFile
 *   Platform ─── PlatformObserver ────┼── MachineEvents ───┤
 *   PciIo ────── DmaObserver ─────────┘   (nobody, or)     └─ FlightRecord ── JFR
 * </pre>
 *
 * <p>While nobody listens, device and platform are told so and make an empty call; what is never
 * called costs nothing. Events come on the thread that made them happen: the guest's or the
 * device's.
 */
package dev.virtiolab.lab.trace;
