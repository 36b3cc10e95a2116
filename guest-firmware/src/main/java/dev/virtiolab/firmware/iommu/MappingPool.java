package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.DmaMapping;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * The open mappings, the latest first, and those that wait to be used again.
 *
 * <p>Mappings are pooled: once as many exist as are ever open together, Map allocates nothing. A
 * mapping that was closed is not used again before {@link #QUARANTINE} others were closed after it,
 * so that a driver's second Unmap of it is seen for what it is, and does not hit its successor.
 *
 * @param <M> the driver's own kind of mapping
 */
public final class MappingPool<M extends PooledMapping<M>> {
  /** How many. */
  public static final int QUARANTINE = 64;

  private final Class<M> kind;
  private final Supplier<M> maker;

  private M newest;
  private int openCount;

  /** Closed mappings, first in first out, linked by {@code next}. */
  private M longestClosed;

  private M lastClosed;
  private int closedCount;

  /**
   * @param maker of mappings of {@code kind}
   */
  public MappingPool(Class<M> kind, Supplier<M> maker) {
    this.kind = kind;
    this.maker = maker;
  }

  /** A mapping to fill in; it is not open yet. */
  public M acquire() {
    if (closedCount <= QUARANTINE) {
      M made = maker.get();
      made.pool = this;
      return made;
    }
    M mapping = longestClosed;
    longestClosed = mapping.next;
    closedCount--;
    mapping.next = null;
    return mapping;
  }

  /** Puts a mapping that was acquired in front of the open ones. */
  public void open(M mapping) {
    mapping.open = true;
    mapping.previous = null;
    mapping.next = newest;
    if (newest != null) {
      newest.previous = mapping;
    }
    newest = mapping;
    openCount++;
  }

  /** The open mapping that {@code mapping} is, or null. */
  public M find(DmaMapping mapping) {
    if (!kind.isInstance(mapping)) {
      return null;
    }
    M found = kind.cast(mapping);
    return found.pool == this && found.open ? found : null;
  }

  /** Takes a mapping out of the open ones. */
  public void close(M mapping) {
    mapping.open = false;
    openCount--;
    if (mapping.previous == null) {
      newest = mapping.next;
    } else {
      mapping.previous.next = mapping.next;
    }
    if (mapping.next != null) {
      mapping.next.previous = mapping.previous;
    }
    mapping.previous = null;
    mapping.next = null;
  }

  /** Lets a mapping that is not open be used again, some time. */
  public void release(M mapping) {
    mapping.forget();
    if (closedCount == 0) {
      longestClosed = mapping;
    } else {
      lastClosed.next = mapping;
    }
    lastClosed = mapping;
    closedCount++;
  }

  /**
   * Takes down what is open, the latest mapping first, and tells {@code observer} of each.
   *
   * @param unmap the driver's own way to undo a mapping; it closes it
   */
  public void takeDown(Consumer<M> unmap, DmaObserver observer) {
    for (M open = newest; open != null; open = newest) {
      unmap.accept(open);
      observer.tornDown(open);
    }
  }

  /** The mapping that was opened last and is open still, or null. */
  public M newest() {
    return newest;
  }

  /** Mappings that are open. */
  public int openCount() {
    return openCount;
  }
}
