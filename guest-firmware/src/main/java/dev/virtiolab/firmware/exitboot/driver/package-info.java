/**
 * Every kind of driver that ExitBootServices may meet, each an {@link
 * dev.virtiolab.firmware.exitboot.ExitBootDriver}; {@link
 * dev.virtiolab.firmware.exitboot.driver.Drivers} lists them.
 *
 * <pre>
 *                          Before group   ExitBootServices group
 *   virtio-net             -              C: reset
 *   reset-callback         -              C: reset
 *   reset-notify           -              N: reset
 *   requeue-from-callback  -              C, C: reset
 *   requeue-from-notify    -              N, C: reset
 *   requeue-twice          -              C, C, C: reset
 *   quiesce-before-exit    C: reset       -
 *   unmap-after-reset      -              C: reset, unmap
 *   unmap-before-reset     -              C: unmap, reset
 *   no-handler             -              -
 *   allocates              -              C: reset, allocate, free
 *   never-maps             -              C: reset; has mapped nothing
 * </pre>
 *
 * <p>C is TPL_CALLBACK, N is TPL_NOTIFY. {@code virtio-net} is the driver that the firmware boots
 * with; the others are {@link dev.virtiolab.firmware.smallnet.SmallNet}, by way of {@link
 * dev.virtiolab.firmware.exitboot.driver.SmallNetDriver}. They stand on nothing that a driver of
 * one's own could not.
 *
 * <p>Everything runs on the firmware's one thread. UEFI Specification 2.10, 7.4.6
 * "EFI_BOOT_SERVICES.ExitBootServices()"; virtio v1.4, 5.1 "Network Device".
 */
package dev.virtiolab.firmware.exitboot.driver;
