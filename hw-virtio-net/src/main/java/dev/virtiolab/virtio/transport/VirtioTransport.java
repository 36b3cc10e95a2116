package dev.virtiolab.virtio.transport;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.posix.Poll;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What a device may ask of its transport, and what the thread that drives the device asks: the seam
 * of which PCI has one side and vhost-user another. Every method is called with the lock held,
 * except {@link #lock}, {@link #memory}, {@link #kickFd} and {@link #restNanos}.
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

  /**
   * Whether a queue that runs may have effects. Where it may not, the device supplies nothing to
   * the driver and discards what the driver sends.
   */
  default boolean queueEnabled(int queue) {
    return true;
  }

  /**
   * Whether the driver says by {@link #queueEnabled} alone which of several pairs of queues it
   * uses. Else it does so by a command, and its queues are all enabled.
   */
  default boolean choosesQueues() {
    return false;
  }

  /**
   * Whether memory has put an access off ({@link dev.virtiolab.pci.memory.DmaFault#RETRY}) since
   * this was asked before, so that everything is to be looked at again before the device sleeps.
   */
  default boolean takeRetried() {
    return false;
  }

  /** Tells the driver that buffers of {@code queue} were used. */
  void queueInterrupt(int queue);

  /** Tells the driver that the device configuration has changed; call it after changing it. */
  void configChanged();

  /**
   * The device cannot go on until it is reset: sets DEVICE_NEEDS_RESET and, once DRIVER_OK is set,
   * raises a configuration interrupt (virtio v1.4, 2.1.2).
   */
  void needsReset();

  /**
   * A descriptor that becomes readable when the driver kicks, the same one always; -1 where kicks
   * are told by {@link VirtioDevice#kick} alone.
   */
  default int kickFd() {
    return -1;
  }

  /** Makes {@link #kickFd()} unreadable again. */
  default void takeKicks() {}

  /**
   * How long the device may sleep before it has to look by itself, in nanoseconds; {@link
   * dev.virtiolab.posix.Poll#FOREVER} where it is always told.
   */
  default long restNanos() {
    return Poll.FOREVER;
  }
}
