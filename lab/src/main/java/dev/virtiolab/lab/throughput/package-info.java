/**
 * A NIC between two kernels, and the system's {@code iperf3} across.
 *
 * <p>A {@link dev.virtiolab.lab.throughput.Crossing} has both ends:
 *
 * <pre>
 *   namespace A                         this process                          namespace B
 *  +----------------+   +-------------------------------------------------+  +----------------+
 *  | iperf3 -c      |   | device thread           guest's thread          |  | iperf3 -s      |
 *  | 192.0.2.1      |   |  VirtioNet --- rings --- VirtioNetDxe --- Relay  |  | 192.0.2.2      |
 *  |   kernel, tap0 |===|  TapBackend              (SNP)       TapBackend  |==| tap1, kernel   |
 *  +----------------+   +-------------------------------------------------+  +----------------+
 * </pre>
 *
 * <p>A {@link dev.virtiolab.lab.throughput.HalfCrossing} has what is right of the rings, its NIC is
 * plugged into a wire to another process, and another half is at the far end of that.
 *
 * <p>Namespace A is this process's own; namespace B is held by a descriptor of it. Neither has a
 * name, so nothing is left however the run ends. A half may do without B: see docs/adr/0018.
 *
 * <p>Either kind of crossing belongs to the thread that opened it.
 */
package dev.virtiolab.lab.throughput;
