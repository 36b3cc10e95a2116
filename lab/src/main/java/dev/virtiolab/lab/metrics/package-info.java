/**
 * What a running lab counts, for Prometheus: the text format, version 0.0.4 (Prometheus
 * documentation, "Exposition formats"), over HTTP.
 *
 * <p>A scrape runs on the server's own thread, which is named {@code metrics}. It reads counters
 * that their writers keep anyway: neither the device nor the guest does anything for it, waits for
 * it, or allocates.
 */
package dev.virtiolab.lab.metrics;
