/**
 * The platform {@code vtd}: devices reach memory through a DMA remapping unit, with the registers
 * and tables of Intel's VT-d in legacy mode.
 *
 * <pre>
 *   guest's CPU                                            bus masters
 *     |  registers                                            |  source id, bus address
 *     +------------&gt; RemappingUnit &lt;---------------- RequesterMemory, one per source id
 *     |  commands      | root table            cached context |  IOTLB
 *     |                +------------&gt; Tables &lt;----------------+  (on a miss)
 *     |  tables                         |
 *     +---------------------------------+--------------&gt; RAM
 * </pre>
 *
 * <p>Before the guest switches translation on, DMA goes untranslated, as on hardware. From then on
 * a source id that has no context reaches nothing. Contexts and translations are cached when they
 * are first used, and stay so until the guest invalidates them: an entry that is taken out of a
 * table is still used. What is not present is not cached (CAP.CM is 0). What all that lets a
 * requester reach at a moment, {@link dev.virtiolab.iommu.vtd.VtdPlatform#reach} tells; it looks at
 * tables and caches and changes neither.
 *
 * <p><b>Threads.</b> Any. A device's thread looks its IOTLB up without a lock and walks under the
 * lock of its own caches; commands come from the guest's CPU, under the lock of the registers and,
 * one at a time, those of the caches. Faults are recorded under the lock of the registers.
 *
 * <p>Specification: Intel Virtualization Technology for Directed I/O, Architecture Specification
 * (order number D51397), revision 3.x; chapters 3, 6, 7, 9 and 10 as far as legacy mode goes.
 */
package dev.virtiolab.iommu.vtd;
