/**
 * What device and driver agree on before anything moves: feature bits and the device status field.
 *
 * <p>Plain values and one small machine; no thread is owned here. Specification: virtio v1.4
 * committee specification 01, 2.1 "Device Status Field", 2.2 "Feature Bits", 5.1.3 "Feature bits"
 * and chapter 6 "Reserved Feature Bits".
 */
package dev.virtiolab.virtio.feature;
