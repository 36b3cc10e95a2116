package dev.virtiolab.virtio.transport;

import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.queue.QueueResume;

/**
 * What a transport needs of a device type: the seam between how a device is found and what it does.
 *
 * <p>Every method but {@link #kick} is called with {@link VirtioTransport#lock()} held. None throws
 * on anything that a driver can cause.
 */
public interface VirtioDevice {
  /** Virtio Device ID (virtio v1.4, chapter 5 "Device Types"). */
  int deviceId();

  /** Base class, subclass and programming interface of the PCI function, in 24 bits. */
  int pciClass();

  /** Feature bits that work. */
  Features offeredFeatures();

  /** Those of them, of bits 0 to 63, without which the device refuses FEATURES_OK. */
  long requiredFeatures();

  /** What it is to drivers that came before version 1. */
  LegacyDevice legacy();

  /** Number of virtqueues, at most 64: the most that the device has under any features. */
  int queues();

  /**
   * Number of virtqueues that there are for a driver that has written {@code features}: what {@code
   * num_queues} reads. From 1 to {@link #queues()}.
   */
  int queues(Features features);

  /** The largest size of any queue, in descriptors: a power of two, at most 32768. */
  int maxQueueSize();

  /**
   * The largest size of one queue, in descriptors: a power of two, at most {@link #maxQueueSize()};
   * 0 where there is no such queue for a driver that has written {@code features}.
   */
  int queueSize(int queue, Features features);

  /** Bytes of device configuration that exist. */
  int configBytes();

  /**
   * A byte of the device configuration, 0 to 255; {@code offset} exists. Any thread, with or
   * without the lock.
   */
  int configByte(int offset);

  /** The driver writes a byte of the device configuration; {@code offset} exists. */
  void writeConfigByte(int offset, int value);

  /** The transport introduces itself: called once, before anything else. */
  void plugIn(VirtioTransport transport);

  /**
   * The driver's FEATURES_OK stuck; {@code features} hold until {@link #reset()}. A driver of the
   * legacy interface has no such bit and does not accept VIRTIO_F_VERSION_1: what it accepts holds
   * when it begins to use the device, and may be said anew until it sets DRIVER_OK.
   */
  void featuresAgreed(Features features);

  /**
   * A queue that the driver has enabled goes live. Its size is a power of two within {@link
   * #queueSize}; the addresses are as the driver wrote them.
   */
  void startQueue(int queue, int size, long descriptorArea, long driverArea, long deviceArea);

  /**
   * A queue goes on where somebody, or this device, left it. Otherwise as {@link #startQueue}.
   *
   * @param from where that is
   */
  void resumeQueue(
      int queue, int size, long descriptorArea, long driverArea, long deviceArea, QueueResume from);

  /** Index of the chain that {@code queue} would take next: {@code last_avail_idx}. */
  int availIndex(int queue);

  /**
   * The driver resets one queue. When this returns the device touches it no more (virtio v1.4,
   * 2.6.1 "Virtqueue Reset").
   */
  void resetQueue(int queue);

  /**
   * Everything is as after power-on. When this returns the device touches no memory and sends no
   * interrupt (virtio v1.4, 2.4 "Device Reset").
   */
  void reset();

  /**
   * The driver kicks {@code queue}, from 0 to {@link #queues()} - 1. Any thread, without the lock,
   * at any time; must not block.
   */
  void kick(int queue);

  /** What may have held the device up has changed: bus mastering, or the status. */
  void wake();
}
