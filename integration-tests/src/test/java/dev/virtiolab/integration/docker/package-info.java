/**
 * The folder docker: what its images are, what its scripts leave behind, and two hosts in
 * containers. The images are built by {@code docker/with-images}, which {@code ./vlab test} runs;
 * without them these tests are skipped.
 */
package dev.virtiolab.integration.docker;
