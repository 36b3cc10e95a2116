package dev.virtiolab.firmware.uefi;

/** EDKII_IOMMU_PROTOCOL: edk2, MdeModulePkg/Include/Protocol/IoMmu.h. */
public interface IoMmu {
  Protocol<IoMmu> PROTOCOL =
      Protocol.of("4e939de9-d948-4b0f-88ed-e6e1ce517c1e", "IoMmu", IoMmu.class);

  long ACCESS_READ = 1;
  long ACCESS_WRITE = 2;

  long ATTRIBUTE_MEMORY_WRITE_COMBINE = 0x0080;
  long ATTRIBUTE_MEMORY_CACHED = 0x0800;
  long ATTRIBUTE_DUAL_ADDRESS_CYCLE = 0x8000;

  /** What {@code controller} may do with the mapping; 0 takes it all away. */
  EfiStatus setAttribute(Handle controller, DmaMapping mapping, long access);

  EfiStatus map(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping);

  EfiStatus unmap(DmaMapping mapping);

  /**
   * Lets the CPU see what bus masters have written so far to mappings that are still open: what
   * PciIo.Flush comes to. Not in edk2's protocol, whose root bridge has nothing to do there:
   * neither has this one where memory is coherent.
   */
  default EfiStatus flush() {
    return EfiStatus.SUCCESS;
  }

  EfiStatus allocateBuffer(
      AllocateType type, MemoryType memoryType, long pages, LongRef hostAddress, long attributes);

  EfiStatus freeBuffer(long pages, long hostAddress);
}
