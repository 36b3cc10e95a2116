/**
 * Tests of more than one room: the rules of the house, whole machines in this process, and {@code
 * vlab} as a process of its own on this host. What the host lacks skips a test with one line; with
 * {@code -Dstrict} that is a failure.
 */
package dev.virtiolab.integration;
