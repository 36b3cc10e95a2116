/**
 * The board of another process, as our guest's CPU sees it: the client's side of QEMU's qtest
 * protocol (docs/devel/testing/qtest.rst and the text at the head of system/qtest.c).
 *
 * <pre>
 *   guest firmware                this process │ QEMU
 *     loads, stores, ports ── CpuBus ── QtestBus ── lines over a unix socket ── its q35, its devices
 *     RAM ─────────── a memfd that both have mapped ─────────── DMA of its devices
 * </pre>
 *
 * <p>It is {@link dev.virtiolab.pci.vfiouser} the other way round: there a hypervisor's CPU drives
 * a function of ours, here a CPU of ours drives the functions of a hypervisor. RAM needs no
 * messages: rings and frames lie in the same pages for both. On the processors that QEMU's TCG and
 * this project run on, a release store in one process and an acquire load in the other pair as they
 * do between two threads.
 *
 * <p><b>Trust.</b> QEMU's lines are bounded and read strictly, and none is waited for without end;
 * what its devices do with the memory is looked at by the drivers, which trust no device anyway.
 * QEMU must not be able to shrink the memory: a memfd of ours is sealed.
 *
 * <p><b>Threads.</b> None here. A bus belongs to whoever is the guest's CPU.
 */
package dev.virtiolab.pci.qtest;
