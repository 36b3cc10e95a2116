package dev.virtiolab.virtio.transport;

import dev.virtiolab.virtio.queue.SplitQueueLayout;

/**
 * The registers of one virtqueue: what {@code queue_select} selects among (virtio v1.4, 4.1.4.3).
 *
 * <p>Queues that the device does not have hold registers too, as on QEMU; only their size is 0 and
 * stays so.
 */
final class QueueRegisters {
  /** VIRTIO_MSI_NO_VECTOR (virtio v1.4, 4.1.5.1.2 "MSI-X Vector Configuration"). */
  static final int NO_VECTOR = 0xffff;

  private static final long PAGE_BYTES = 1L << LegacyLayout.PAGE_SHIFT;

  private int maxSize;
  private int size;
  private int vector;
  private boolean enabled;
  private boolean started;
  private long descriptorArea;
  private long driverArea;
  private long deviceArea;

  /**
   * @param maxSize the largest size in descriptors; 0 for a queue that the device does not have
   */
  QueueRegisters(int maxSize) {
    this.maxSize = maxSize;
    reset();
  }

  void reset() {
    size = maxSize;
    vector = NO_VECTOR;
    enabled = false;
    started = false;
    descriptorArea = 0;
    driverArea = 0;
    deviceArea = 0;
  }

  /** The features have changed what queue this is: its size begins anew. */
  void resize(int newMaxSize) {
    if (newMaxSize != maxSize) {
      maxSize = newMaxSize;
      size = newMaxSize;
    }
  }

  int size() {
    return size;
  }

  /**
   * Stores a power of two within the device's size; anything else leaves what was there, so that
   * the register never shows a value that the specification forbids.
   */
  void writeSize(long value) {
    if (!enabled && value > 0 && value <= maxSize && Long.bitCount(value) == 1) {
      size = (int) value;
    }
  }

  int vector() {
    return vector;
  }

  void writeVector(int value) {
    vector = value;
  }

  boolean enabled() {
    return enabled;
  }

  void enable() {
    enabled = true;
  }

  /**
   * Sets everything at once, as the legacy interface does: the three areas are contiguous, the used
   * ring on the next page (virtio v1.4, 2.7.2 "Legacy Interfaces: A Note on Virtqueue Layout"). A
   * queue that runs stays where it is, and one that does not exist is nowhere.
   */
  void place(long base) {
    if (started || size == 0) {
      return;
    }
    enabled = true;
    descriptorArea = base;
    driverArea = base + SplitQueueLayout.descriptorBytes(size);
    // With the event fields, negotiated or not: "sizeof(u16)*(3 + qsz)".
    long end = driverArea + SplitQueueLayout.availBytes(size, true);
    deviceArea = (end + PAGE_BYTES - 1) & -PAGE_BYTES;
  }

  /** Whether the device has been told of the queue. */
  boolean started() {
    return started;
  }

  void start() {
    started = true;
  }

  long descriptorArea() {
    return descriptorArea;
  }

  long driverArea() {
    return driverArea;
  }

  long deviceArea() {
    return deviceArea;
  }

  // Addresses stay as they are while the queue is enabled: what reads back is what is used.

  void writeDescriptorArea(boolean high, long value) {
    descriptorArea = enabled ? descriptorArea : half(descriptorArea, high, value);
  }

  void writeDriverArea(boolean high, long value) {
    driverArea = enabled ? driverArea : half(driverArea, high, value);
  }

  void writeDeviceArea(boolean high, long value) {
    deviceArea = enabled ? deviceArea : half(deviceArea, high, value);
  }

  private static long half(long whole, boolean high, long value) {
    return high
        ? (whole & 0xffff_ffffL) | value << 32
        : (whole & ~0xffff_ffffL) | (value & 0xffff_ffffL);
  }
}
