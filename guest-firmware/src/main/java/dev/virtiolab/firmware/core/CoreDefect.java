package dev.virtiolab.firmware.core;

/**
 * A way to break the core on purpose, for who wants to see that it is noticed. A core that boots a
 * guest has none.
 */
public enum CoreDefect {
  /** A group's members are queued and run one after the other, not all queued before any runs. */
  GROUP_ONE_BY_ONE,
  /** Within a level, what was queued last runs first. */
  LAST_QUEUED_FIRST,
  /**
   * Of the levels that have somebody in their queue, the lowest is drained first, and nobody
   * interrupts it.
   */
  LOWEST_LEVEL_FIRST,
  /** ExitBootServices takes any map key. */
  KEY_UNCHECKED,
  /** Nobody is told that the memory map is accepted, and Unmap frees as ever. */
  MAP_NOT_LOCKED
}
