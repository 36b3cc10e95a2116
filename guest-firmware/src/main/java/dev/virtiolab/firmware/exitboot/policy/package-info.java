/**
 * Every answer that was given to the question who takes DMA mappings down at ExitBootServices, each
 * a {@link dev.virtiolab.firmware.iommu.TeardownPolicy}; {@link
 * dev.virtiolab.firmware.exitboot.policy.Policies} lists them.
 *
 * <pre>
 *                        Before group   ExitBootServices group           about to return
 *   drivers-unmap        -              -                                -
 *   iommu-callback       -              C: take down                     -
 *   iommu-notify         -              N: take down                     -
 *   requeue-callback     -              C, C: take down                  -
 *   requeue-from-notify  -              N, C: take down                  -
 *   requeue-to-notify    -              C, N: take down                  -
 *   requeue-twice        -              C, C, C: take down               -
 *   core-hook            -              -                                take down
 *   vtd-keep             -              -                                -
 *   vtd-off              -              C: translation off               -
 *   bus-master-off       -              N: bus masters off; C, C: take   -
 *                                       down
 *   before-exit          C: take down   -                                -
 * </pre>
 *
 * <p>C is TPL_CALLBACK, N is TPL_NOTIFY; to take down is to unmap whatever is open, and then to
 * release the reserved slots. They stand on nothing that a policy of one's own could not.
 *
 * <p>Everything runs on the firmware's one thread. UEFI Specification 2.10, 7.4.6
 * "EFI_BOOT_SERVICES.ExitBootServices()"; edk2-devel, September 2017; UEFI 2.9 for the Before
 * group.
 */
package dev.virtiolab.firmware.exitboot.policy;
