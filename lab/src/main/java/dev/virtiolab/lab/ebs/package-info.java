/**
 * Who unmaps at ExitBootServices, and in which order is that safe? Found out by running it.
 *
 * <p>One <em>order</em> is one run of a whole machine, from boot to hand-off, on the caller's
 * thread under a clock that moves only when told: firmware, IOMMU driver, platform and device are
 * those of {@code vlab ping}. An <em>explorer</em> runs every order of handlers that UEFI allows.
 * At every <em>gap</em>, that is between any two calls, register accesses, single unmaps and
 * handlers' ends, every live device attempts DMA, and the <em>judge</em> looks at what it could
 * reach.
 *
 * <pre>
 *   Explorer --- Orders            which permutation next; which are alike
 *      |
 *      +-- Run --- Rig             a machine with a card for each driver
 *            |      |-- Watched    before and after each call: a gap
 *            |      '-- Cards      DMA by each live device
 *            '--- Judge            I1 to I9, by looking
 *                  |-- Ledger      what is mapped
 *                  '-- Pages       what is shared, was shared, and what DRAM shows
 * </pre>
 *
 * <p>Definitions are those of docs/exit-boot-services.md. Several explorers' runs go on at once,
 * one on each thread; a run shares nothing with another.
 */
package dev.virtiolab.lab.ebs;
