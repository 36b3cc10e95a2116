package dev.virtiolab.virtio.net;

/**
 * Told of what the device does, as it does it. Everything but {@link #kicked} comes from the thread
 * that drives the device, under its lock: an observer is quick, throws nothing and asks the device
 * nothing.
 *
 * <p>A queue is told by its number, such as {@link VirtioNet#RECEIVE_QUEUE}: for a device with one
 * pair of queues from 0 to {@link VirtioNet#QUEUES} - 1. Of a frame that fills several receive
 * buffers every chain is told as taken before the first is told as used, or all of them as left,
 * the last first.
 */
public interface NicObserver {

  /** Listens to nothing. */
  NicObserver NONE = new NicObserver() {};

  /** The driver rang the doorbell of {@code queue}; on the driver's thread. */
  default void kicked(int queue) {}

  /**
   * The device took a chain from the available ring.
   *
   * @param head index of the chain's first descriptor
   * @param readableBytes in the parts that the device may read
   * @param writableBytes in the parts that the device may write
   */
  default void chainTaken(int queue, int head, int readableBytes, int writableBytes) {}

  /** A chain that was taken was left in the ring after all, to be taken again. */
  default void chainLeft(int queue, int head) {}

  /**
   * A chain that was taken went to the used ring.
   *
   * @param writtenBytes as the used element says
   */
  default void chainUsed(int queue, int head, int writtenBytes) {}

  /** The driver was interrupted for a batch of used elements. */
  default void interrupted(int queue) {}

  /** The driver was told that configuration or status changed. */
  default void configInterrupted() {}

  /** A frame was dropped. */
  default void dropped(Drop reason) {}

  /** The device set DEVICE_NEEDS_RESET. */
  default void brokeDown(String why) {}

  /** The driver reset the device. */
  default void wasReset() {}
}
