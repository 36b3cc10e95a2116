package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;

/**
 * Who is told of what drivers do about DMA: of each call of PciIo's Map, Unmap, AllocateBuffer and
 * FreeBuffer that got as far as the bus, on every platform, with or without an IOMMU. What the
 * IOMMU driver takes down of its own accord, at ExitBootServices, is told by the IOMMU driver.
 *
 * <p>Called on the firmware's thread, after the fact, and before the driver knows the outcome. An
 * observer must be quick, must not call back into the firmware and must not throw. Nothing is
 * allocated to tell it, and all values are copies.
 *
 * <p>{@code requesterId} says whose PciIo was called: bus, device and function as on the bus,
 * {@code bus << 8 | device << 3 | function}. A mapping is known by its token, compared by identity:
 * it is never that of another mapping while it is open, and may be used again afterwards.
 */
public interface DmaObserver {

  /** Listens to nothing. */
  DmaObserver NONE = new DmaObserver() {};

  /**
   * Map has succeeded: the device may reach {@code bytesMapped} from {@code deviceAddress}.
   *
   * @param operation as the driver asked, never one of the 64-bit kinds
   * @param hostAddress guest-physical address of the driver's buffer
   * @param bytesAsked what the driver wanted
   * @param bytesMapped what it got; {@code bytesAsked} or less
   * @param deviceAddress what the device is to be told
   */
  default void mapped(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      long bytesMapped,
      long deviceAddress,
      DmaMapping mapping) {}

  /** Map was refused; nothing is mapped. */
  default void mapFailed(
      int requesterId,
      DmaOperation operation,
      long hostAddress,
      long bytesAsked,
      EfiStatus status) {}

  /**
   * Unmap has returned.
   *
   * @param mapping as the driver gave it; need not be one
   * @param status an error: nothing was unmapped
   */
  default void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {}

  /**
   * The mapping was taken down without its driver's Unmap: at ExitBootServices, on behalf of a
   * {@link TeardownPolicy}.
   */
  default void tornDown(DmaMapping mapping) {}

  /**
   * AllocateBuffer has succeeded.
   *
   * @param pages of 4 KiB
   * @param hostAddress guest-physical address of the first
   */
  default void bufferAllocated(int requesterId, long pages, long hostAddress) {}

  /** FreeBuffer has returned. */
  default void bufferFreed(int requesterId, long pages, long hostAddress, EfiStatus status) {}
}
