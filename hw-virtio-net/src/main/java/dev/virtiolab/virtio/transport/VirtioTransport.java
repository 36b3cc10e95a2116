package dev.virtiolab.virtio.transport;

import dev.virtiolab.pci.memory.BusMemory;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What a device may ask of its transport. Every method but the first two is called with the lock
 * held.
 */
public interface VirtioTransport {
  /** Serialises registers and queues: held for one register access, or one batch of frames. */
  ReentrantLock lock();

  /**
   * Guest memory as the negotiated features have the device see it: through the platform with
   * VIRTIO_F_ACCESS_PLATFORM, by physical address without. The object is the same always.
   */
  BusMemory memory();

  /**
   * Whether the device may use its queues: FEATURES_OK and DRIVER_OK, and nothing broken (virtio
   * v1.4, 2.1.2: no buffer is consumed before DRIVER_OK).
   */
  boolean live();

  /** Tells the driver that buffers of {@code queue} were used. */
  void queueInterrupt(int queue);

  /** Tells the driver that the device configuration has changed; call it after changing it. */
  void configChanged();

  /**
   * The device cannot go on until it is reset: sets DEVICE_NEEDS_RESET and, once DRIVER_OK is set,
   * raises a configuration interrupt (virtio v1.4, 2.1.2).
   */
  void needsReset();
}
