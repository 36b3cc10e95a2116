package dev.virtiolab.firmware.core;

import java.util.EnumSet;
import java.util.Set;

/**
 * What a core can be told when it is made.
 *
 * @param groupOrder in which order the members of a group are queued
 * @param dispatchObserver who is told of each notification
 * @param defects what is broken on purpose
 */
public record CoreSetup(
    GroupOrder groupOrder, DispatchObserver dispatchObserver, Set<CoreDefect> defects) {

  /** As edk2's. */
  public static final CoreSetup EDK2 = of(GroupOrder.EDK2);

  public CoreSetup {
    defects = Set.copyOf(defects);
  }

  /** As edk2's, but for the order within groups. */
  public static CoreSetup of(GroupOrder groupOrder) {
    return new CoreSetup(groupOrder, DispatchObserver.NONE, EnumSet.noneOf(CoreDefect.class));
  }

  boolean has(CoreDefect defect) {
    return defects.contains(defect);
  }
}
