package dev.virtiolab.lab.throughput;

/**
 * What the iperf3 client printed.
 *
 * @param output all of its standard output
 * @param interrupted whether Ctrl-C cut it short
 */
public record IperfResult(String output, boolean interrupted) {}
