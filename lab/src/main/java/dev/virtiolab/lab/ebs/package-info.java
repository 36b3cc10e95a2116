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
 *   Explorer --- Lanes             cells side by side, one on each thread
 *      |
 *      +-- Run                     one order: board, firmware, drivers, hand-over
 *            |-- Orders            which permutation; Footprints: which are alike
 *            |-- Watched, Gaps     before and after each call: a gap
 *            |-- Handlers, Log     whose handler runs; the steps
 *            |-- Card              DMA, in each gap, by each live device; HeldQueue: where to
 *            '-- Judge             I1 to I9, by looking
 *                  |-- Ledger      what is mapped, and what devices wrote there
 *                  '-- SharedPages what is shared, was shared, and what DRAM shows
 * </pre>
 *
 * <p>Definitions are those of docs/exit-boot-services.md. Several explorers' runs go on at once,
 * one on each thread; a run shares nothing with another.
 */
package dev.virtiolab.lab.ebs;
