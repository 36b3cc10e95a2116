package dev.virtiolab.firmware.iommu;

/** One mapping of {@link NonCoherentDmaDxe}. */
final class NonCoherentMapping extends PooledMapping<NonCoherentMapping> {
  long hostAddress;

  /** The bounce buffer, or {@link BouncePool#NONE} where the client's own is used. */
  long bounce;

  /** For a common buffer operation, else null. */
  DmaBuffer uncachedBuffer;

  @Override
  protected void forget() {
    uncachedBuffer = null;
  }
}
