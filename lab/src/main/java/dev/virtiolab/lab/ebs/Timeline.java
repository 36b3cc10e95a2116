package dev.virtiolab.lab.ebs;

import java.util.List;

/**
 * A history, step by step.
 *
 * @param reason why it fails, in a sentence; empty where it does not
 */
public record Timeline(History history, List<Step> steps, String reason) {}
