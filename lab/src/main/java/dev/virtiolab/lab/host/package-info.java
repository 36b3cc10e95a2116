/**
 * The host that the lab runs on: its commands, its network namespaces, and what it lacks.
 *
 * <p>Everything here is called from the command line's main thread. What the host refuses becomes a
 * {@link dev.virtiolab.lab.LabException} with one line that says how to mend it.
 */
package dev.virtiolab.lab.host;
