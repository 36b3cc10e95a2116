package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.IoMmu;

/**
 * One mapping of an IOMMU driver, or of the root bridge where there is none; open while it is in
 * its {@link MappingPool}'s list.
 *
 * @param <M> the driver's own kind of mapping
 */
public abstract class PooledMapping<M extends PooledMapping<M>> implements DmaMapping {
  // The pool's.
  MappingPool<M> pool;
  M previous;
  M next;
  boolean open;

  /** As Map was asked. */
  protected DmaOperation operation;

  /** Likewise. */
  protected long numberOfBytes;

  /** A mapping that is not open. */
  protected PooledMapping() {}

  /** Whether the mapping is for a device that reads memory and does nothing else. */
  public final boolean isRead() {
    return operation == DmaOperation.BUS_MASTER_READ || operation == DmaOperation.BUS_MASTER_READ64;
  }

  /** Whether the mapping is for a device that writes memory and does nothing else. */
  public final boolean isWrite() {
    return operation == DmaOperation.BUS_MASTER_WRITE
        || operation == DmaOperation.BUS_MASTER_WRITE64;
  }

  /** What the operation stands for in SetAttribute. */
  public final long impliedAccess() {
    if (isRead()) {
      return IoMmu.ACCESS_READ;
    }
    return isWrite() ? IoMmu.ACCESS_WRITE : IoMmu.ACCESS_READ | IoMmu.ACCESS_WRITE;
  }

  /** Forgets what would keep objects alive, before the mapping waits to be used again. */
  protected abstract void forget();
}
