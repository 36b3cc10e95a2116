package dev.virtiolab.pci.memory;

import java.lang.foreign.MemorySegment;

/**
 * The DRAM itself, as a hypervisor, a memory dump or a probe on the bus sees it: ciphertext where
 * memory is encrypted, whatever the page attributes say. Addresses are system-physical.
 */
public interface RawDram {

  /** Where the guest-physical {@code address} lies in DRAM. */
  long systemPhysical(long address);

  /** Copies bytes out of DRAM; the range must not cross a 4 KiB page. */
  void read(long systemPhysical, MemorySegment target, long targetOffset, long length);

  /** Overwrites bytes of DRAM behind the guest's back; the range must not cross a 4 KiB page. */
  void write(long systemPhysical, MemorySegment source, long sourceOffset, long length);
}
