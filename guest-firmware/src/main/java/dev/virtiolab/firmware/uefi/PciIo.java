package dev.virtiolab.firmware.uefi;

/** EFI_PCI_IO_PROTOCOL: UEFI Specification 2.10, 14.4. One value a call; callers loop. */
public interface PciIo {
  Protocol<PciIo> PROTOCOL =
      Protocol.of("4cf5b200-68b8-4ca5-9eec-b23e3f50029a", "PciIo", PciIo.class);

  /** EFI_PCI_IO_PROTOCOL_WIDTH. */
  enum Width {
    UINT8(1),
    UINT16(2),
    UINT32(4),
    UINT64(8);

    private final int bytes;

    Width(int bytes) {
      this.bytes = bytes;
    }

    public int bytes() {
      return bytes;
    }
  }

  /** EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION. */
  enum AttributeOperation {
    GET,
    SET,
    ENABLE,
    DISABLE,
    SUPPORTED
  }

  long ATTRIBUTE_IO = 0x0100;
  long ATTRIBUTE_MEMORY = 0x0200;
  long ATTRIBUTE_BUS_MASTER = 0x0400;
  long ATTRIBUTE_DUAL_ADDRESS_CYCLE = 0x8000;

  EfiStatus pollMem(
      Width width, int bar, long offset, long mask, long value, long delay, LongRef result);

  EfiStatus memRead(Width width, int bar, long offset, LongRef value);

  EfiStatus memWrite(Width width, int bar, long offset, long value);

  EfiStatus ioRead(Width width, int bar, long offset, LongRef value);

  EfiStatus ioWrite(Width width, int bar, long offset, long value);

  EfiStatus pciRead(Width width, int offset, LongRef value);

  EfiStatus pciWrite(Width width, int offset, long value);

  /**
   * @param hostAddress guest-physical address of the buffer
   * @param numberOfBytes in: bytes wanted; out: bytes mapped
   * @param deviceAddress out: what to tell the device
   * @param mapping out: what to hand to {@link #unmap}
   */
  EfiStatus map(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping);

  EfiStatus unmap(DmaMapping mapping);

  EfiStatus allocateBuffer(
      AllocateType type, MemoryType memoryType, long pages, LongRef hostAddress, long attributes);

  EfiStatus freeBuffer(long pages, long hostAddress);

  EfiStatus flush();

  EfiStatus getLocation(IntRef segment, IntRef bus, IntRef device, IntRef function);

  /**
   * @param result out for GET and SUPPORTED; may be null otherwise
   */
  EfiStatus attributes(AttributeOperation operation, long attributes, LongRef result);

  /**
   * @param bar index of the BAR's first register, 0..5
   * @param base out: where the BAR is decoded; may be null
   * @param length out: its size in bytes; may be null, but not both
   * @return UNSUPPORTED if the function has no such BAR
   */
  EfiStatus getBarAttributes(int bar, LongRef base, LongRef length);
}
