package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.DmaOperation;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What the firmware has mapped for DMA, counted: with an IOMMU by its driver, without one by the
 * root bridge.
 *
 * <p>The firmware's thread writes; any thread may read. Each value is coherent by itself (an opaque
 * access: no tearing, eventually visible), but two of them read one after the other need not belong
 * to the same moment.
 */
public final class DmaCounters {
  private static final VarHandle VALUE = MethodHandles.arrayElementVarHandle(long[].class);

  private static final int READ_MAPS = 0;
  private static final int WRITE_MAPS = 1;
  private static final int COMMON_BUFFER_MAPS = 2;
  private static final int FAILED_MAPS = 3;
  private static final int UNMAPS = 4;
  private static final int INVALID_UNMAPS = 5;
  private static final int BYTES_TO_DEVICE = 6;
  private static final int BYTES_FROM_DEVICE = 7;
  private static final int PAGES_MADE_SHARED = 8;
  private static final int PAGES_MADE_PRIVATE = 9;
  private static final int SLOTS_RESERVED = 10;
  private static final int SLOTS_IN_USE = 11;
  private static final int SLOT_PAGES_SHARED = 12;
  private static final int FAULTS_REPORTED = 13;
  private static final int COUNT = 14;

  private final long[] values = new long[COUNT];

  /** All zero. */
  public DmaCounters() {}

  /** Mappings made for a device that reads memory. */
  public long readMaps() {
    return value(READ_MAPS);
  }

  /** Mappings made for a device that writes memory. */
  public long writeMaps() {
    return value(WRITE_MAPS);
  }

  /** Mappings made for a device that does both. */
  public long commonBufferMaps() {
    return value(COMMON_BUFFER_MAPS);
  }

  /** Mappings made, of every kind. */
  public long maps() {
    return readMaps() + writeMaps() + commonBufferMaps();
  }

  /** Calls of Map that returned an error, whatever the reason. */
  public long failedMaps() {
    return value(FAILED_MAPS);
  }

  /** Mappings taken down, by their drivers or by the teardown at ExitBootServices. */
  public long unmaps() {
    return value(UNMAPS);
  }

  /** Mappings made and not yet taken down. */
  public long openMappings() {
    return maps() - unmaps();
  }

  /** Calls of Unmap with a mapping that is not open or not ours. */
  public long invalidUnmaps() {
    return value(INVALID_UNMAPS);
  }

  /** Bytes copied into bounce buffers for the device to read. */
  public long bytesBouncedToDevice() {
    return value(BYTES_TO_DEVICE);
  }

  /** Bytes copied out of bounce buffers after the device wrote. */
  public long bytesBouncedFromDevice() {
    return value(BYTES_FROM_DEVICE);
  }

  /** Pages whose C-bit was cleared, each time counted. */
  public long pagesMadeShared() {
    return value(PAGES_MADE_SHARED);
  }

  /** Pages whose C-bit was set again, each time counted. */
  public long pagesMadePrivate() {
    return value(PAGES_MADE_PRIVATE);
  }

  /** Pages whose C-bit is clear now, reserved slots included. */
  public long pagesShared() {
    return pagesMadeShared() - pagesMadePrivate();
  }

  /** Of {@link #pagesShared()}, those in reserved slots. */
  public long slotPagesShared() {
    return value(SLOT_PAGES_SHARED);
  }

  /** Reserved slots there are. */
  public long slotsReserved() {
    return value(SLOTS_RESERVED);
  }

  /** Reserved slots that a mapping or a common buffer holds now. */
  public long slotsInUse() {
    return value(SLOTS_IN_USE);
  }

  /** Accesses that the IOMMU refused and left a record of for its driver. */
  public long faultsReported() {
    return value(FAULTS_REPORTED);
  }

  /** For Map: a mapping was made. */
  public void mapped(DmaOperation operation) {
    switch (operation) {
      case BUS_MASTER_READ, BUS_MASTER_READ64 -> add(READ_MAPS, 1);
      case BUS_MASTER_WRITE, BUS_MASTER_WRITE64 -> add(WRITE_MAPS, 1);
      case BUS_MASTER_COMMON_BUFFER, BUS_MASTER_COMMON_BUFFER64 -> add(COMMON_BUFFER_MAPS, 1);
    }
  }

  /** For Map: it returned an error. */
  public void mapFailed() {
    add(FAILED_MAPS, 1);
  }

  /** For Unmap: a mapping was taken down. */
  public void unmapped() {
    add(UNMAPS, 1);
  }

  /** For Unmap: the mapping was not one. */
  public void unmapInvalid() {
    add(INVALID_UNMAPS, 1);
  }

  /** For Map: bytes were copied to where the device reads them. */
  public void bouncedToDevice(long bytes) {
    add(BYTES_TO_DEVICE, bytes);
  }

  /** For Unmap: bytes were copied back from where the device wrote them. */
  public void bouncedFromDevice(long bytes) {
    add(BYTES_FROM_DEVICE, bytes);
  }

  void faultsReported(int faults) {
    if (faults != 0) {
      add(FAULTS_REPORTED, faults);
    }
  }

  void madeShared(long pages) {
    add(PAGES_MADE_SHARED, pages);
  }

  void madePrivate(long pages) {
    add(PAGES_MADE_PRIVATE, pages);
  }

  void slotReserved(long pages) {
    add(SLOTS_RESERVED, 1);
    add(SLOT_PAGES_SHARED, pages);
  }

  void slotReleased(long pages) {
    add(SLOTS_RESERVED, -1);
    add(SLOT_PAGES_SHARED, -pages);
  }

  void slotTaken() {
    add(SLOTS_IN_USE, 1);
  }

  void slotGivenBack() {
    add(SLOTS_IN_USE, -1);
  }

  private long value(int index) {
    return (long) VALUE.getOpaque(values, index);
  }

  private void add(int index, long amount) {
    // One writer: its own plain read is exact. Opaque, so that a reader sees whole, fresh values.
    VALUE.setOpaque(values, index, values[index] + amount);
  }
}
