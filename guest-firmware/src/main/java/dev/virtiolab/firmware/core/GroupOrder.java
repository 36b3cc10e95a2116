package dev.virtiolab.firmware.core;

import java.util.List;
import java.util.UUID;

/**
 * The order in which the members of an event group are queued when the group is signalled. The UEFI
 * specification promises none within one task priority level, so that an explorer may put any
 * permutation here.
 */
@FunctionalInterface
public interface GroupOrder {

  /** As edk2 does it: the member that was created last comes first. */
  GroupOrder EDK2 = (group, members) -> members;

  /**
   * @param members of the group, the last created first; not to be changed
   * @return the same members in the order in which to queue them. Each goes to the queue of its own
   *     level, so only the order within a level matters.
   */
  List<CoreEvent> order(UUID group, List<CoreEvent> members);
}
