package dev.virtiolab.pci.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A counter that moves whenever something that was resolved may resolve differently: a page changes
 * its attribute, an IOMMU entry is invalidated, a function loses its bus-master enable.
 *
 * <p>Who keeps a {@link DmaWindow} compares the window's generation with this before each use. As
 * on real hardware, a change that races with an access already under way may miss it.
 */
public final class MappingGeneration {
  private static final VarHandle VALUE;

  static {
    try {
      VALUE = MethodHandles.lookup().findVarHandle(MappingGeneration.class, "value", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  @SuppressWarnings("unused") // through VALUE
  private long value = 1;

  public MappingGeneration() {}

  /** The present generation; never 0, so that an empty window is never valid. */
  public long acquire() {
    // Pairs with advance(): who sees the new generation sees the new mapping.
    return (long) VALUE.getAcquire(this);
  }

  /** Declares that mappings have changed; call it after changing them. */
  public void advance() {
    // Release, for acquire(); atomic, since several threads may change mappings.
    VALUE.getAndAddRelease(this, 1L);
  }
}
