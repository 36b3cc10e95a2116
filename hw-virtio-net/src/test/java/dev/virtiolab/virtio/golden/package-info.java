/** What QEMU shows for the same device, recorded, against what we show. */
package dev.virtiolab.virtio.golden;
