/**
 * A machine whose devices are QEMU's: the judge of the guest's drivers that nobody here has
 * written.
 *
 * <pre>
 *   this process                                             QEMU
 *   Firmware ── QemuBus ── QtestClient ──── unix socket ──── qtest ── q35, virtio-net-pci
 *      └── CpuMemory ── memfd ═══════════ the same pages ═══════════════ DMA ──┘   │
 *   any --backend ── faults, capture ── switch ── unix stream ── -netdev stream ───┘
 * </pre>
 *
 * <p>{@link dev.virtiolab.lab.qemu.QemuMachine} puts it together; record 29 under docs/adr says
 * what differs from {@link dev.virtiolab.lab.Machine}.
 *
 * <p><b>Threads.</b> The guest's, which is the only one to speak qtest once it has begun; the
 * switch's; the stream's own event loop; and one that reads what QEMU prints.
 */
package dev.virtiolab.lab.qemu;
