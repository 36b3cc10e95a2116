package dev.virtiolab.lab.bench;

import java.util.List;

/**
 * What a suite found: the object that {@code --json} prints.
 *
 * @param suite its name
 * @param complete whether all that was asked for was measured
 * @param runs timed runs of each case
 * @param secondsPerRun how long each was
 * @param results in the order in which they were measured
 */
public record BenchReport(
    String suite,
    boolean complete,
    MachineFacts machine,
    int runs,
    double secondsPerRun,
    List<BenchResult> results) {}
