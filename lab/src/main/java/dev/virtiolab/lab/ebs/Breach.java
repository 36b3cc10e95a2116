package dev.virtiolab.lab.ebs;

/**
 * An invariant that broke.
 *
 * @param step the number of the step at which that was seen first
 * @param text why, in a sentence that names driver, policy, page or call
 */
public record Breach(Invariant invariant, int step, String text) {}
