package dev.virtiolab.virtio.transport;

/**
 * What the driver told the device about one virtqueue: its registers at one moment (virtio v1.4,
 * 4.1.4.3 "Common configuration structure layout"). Addresses are the device's.
 *
 * @param enabled {@code queue_enable}: from then on, until a reset, the others do not change
 * @param size {@code queue_size}, in descriptors
 * @param descriptorArea {@code queue_desc}
 * @param driverArea {@code queue_driver}: the available ring
 * @param deviceArea {@code queue_device}: the used ring
 */
public record QueueAddresses(
    boolean enabled, int size, long descriptorArea, long driverArea, long deviceArea) {}
