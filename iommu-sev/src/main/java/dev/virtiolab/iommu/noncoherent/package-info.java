/**
 * The platform {@code noncoherent}: PCI addresses are the CPU's plus an offset, and bus masters do
 * not look into the CPU's data cache.
 *
 * <pre>
 *   CPU --- guest-physical --- data cache, 64-byte lines ---+
 *                  \                                        |
 *                   +--------- uncached pages --------------+--> DRAM
 *                                                           |
 *   bus master --- bus address, minus 8000_0000 ------------+
 *   bus master without ACCESS_PLATFORM --- guest-physical --+
 *   raw DRAM ---------------------- the same ---------------+
 * </pre>
 *
 * <p>A life of a line. Nothing but the CPU and its maintenance moves one: a cache that evicts by
 * itself would mend a driver's mistake now and then, and hide it.
 *
 * <pre>
 *             read: fill            write
 *   absent ---------------> clean ----------> dirty       write to absent: fill, then dirty
 *     ^ ^                    |  ^              |  |
 *     | +---- invalidate ----+  +- write back -+  |
 *     +-------------- invalidate: what was written is lost
 * </pre>
 *
 * <p>A line is written back whole: where a driver shares a line with a device, what the device
 * wrote to the rest of it meanwhile is overwritten.
 *
 * <p><b>A page that becomes uncached</b> leaves its lines where they are (architectures warn of
 * mismatched attributes and promise nothing): out of the CPU's sight, within reach of maintenance,
 * and seen again when the page is cached again. They are counted as stranded. So a driver that
 * forgets to clean a page first reads stale bytes and loses its own here, every time.
 *
 * <p>No thread is owned here. The CPU's view and its cache belong to one thread, the guest's; bus
 * masters and counters are for any. What orders the two is as on the other platforms: acquire and
 * release accesses, on uncached pages.
 */
package dev.virtiolab.iommu.noncoherent;
