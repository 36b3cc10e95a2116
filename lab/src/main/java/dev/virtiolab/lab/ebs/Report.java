package dev.virtiolab.lab.ebs;

import java.util.List;

/**
 * All that an exploration found.
 *
 * @param cells by platform, then policy, then drivers
 */
public record Report(Settings settings, List<Cell> cells, List<Encounter> encounters) {}
