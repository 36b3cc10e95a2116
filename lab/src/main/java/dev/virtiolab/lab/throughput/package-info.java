/**
 * Two network namespaces with the NIC between them, and the system's {@code iperf3} across.
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
 * <p>Namespace A is this process's own; namespace B belongs to the iperf3 server, which was started
 * in it and ends it by ending. Neither has a name, so nothing is left however the run ends.
 *
 * <p>A {@link dev.virtiolab.lab.throughput.Crossing} belongs to the thread that opened it.
 */
package dev.virtiolab.lab.throughput;
