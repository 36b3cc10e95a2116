package dev.virtiolab.pci.vfiouser;

/**
 * The messages, in the byte order of the host. "vfio-user Protocol Specification" (QEMU,
 * docs/interop/vfio-user.rst), sections "Header" and "Commands"; the structures behind the header
 * are those of linux/vfio.h.
 *
 * <pre>
 * header                                      offsets below are from the end of the header
 * 0  | message ID      | command |
 * 4  | message size              |
 * 8  | flags                     |
 * 12 | error                     |
 * </pre>
 */
final class VfioUserLayout {
  static final int HEADER_BYTES = 16;
  static final int MESSAGE_ID = 0;
  static final int COMMAND = 2;
  static final int MESSAGE_SIZE = 4;
  static final int FLAGS = 8;
  static final int ERROR = 12;

  // header flags
  static final int TYPE_MASK = 0xf;
  static final int TYPE_COMMAND = 0;
  static final int TYPE_REPLY = 1;
  static final int FLAG_NO_REPLY = 1 << 4;
  static final int FLAG_ERROR = 1 << 5;

  // commands
  static final int VERSION = 1;
  static final int DMA_MAP = 2;
  static final int DMA_UNMAP = 3;
  static final int DEVICE_GET_INFO = 4;
  static final int DEVICE_GET_REGION_INFO = 5;
  static final int DEVICE_GET_REGION_IO_FDS = 6;
  static final int DEVICE_GET_IRQ_INFO = 7;
  static final int DEVICE_SET_IRQS = 8;
  static final int REGION_READ = 9;
  static final int REGION_WRITE = 10;
  static final int DMA_READ = 11;
  static final int DMA_WRITE = 12;
  static final int DEVICE_RESET = 13;
  static final int REGION_WRITE_MULTI = 15;

  // VFIO_USER_VERSION
  static final int VERSION_MAJOR = 0;
  static final int VERSION_MINOR = 2;
  static final int VERSION_DATA = 4;

  // VFIO_USER_DMA_MAP
  static final int MAP_FLAGS = 4;
  static final int MAP_OFFSET = 8;
  static final int MAP_ADDRESS = 16;
  static final int MAP_SIZE = 24;
  static final int MAP_BYTES = 32;
  static final int MAP_READABLE = 1;
  static final int MAP_WRITEABLE = 2;

  // VFIO_USER_DMA_UNMAP
  static final int UNMAP_FLAGS = 4;
  static final int UNMAP_ADDRESS = 8;
  static final int UNMAP_SIZE = 16;
  static final int UNMAP_BYTES = 24;

  /** VFIO_DMA_UNMAP_FLAG_ALL of linux/vfio.h, which QEMU uses; address and size are then 0. */
  static final int UNMAP_ALL = 2;

  // VFIO_USER_DEVICE_GET_INFO, and what all the queries begin with
  static final int ARGSZ = 0;
  static final int INFO_FLAGS = 4;
  static final int INFO_REGIONS = 8;
  static final int INFO_IRQS = 12;
  static final int INFO_BYTES = 16;
  static final int DEVICE_FLAG_RESET = 1;
  static final int DEVICE_FLAG_PCI = 2;

  // VFIO_USER_DEVICE_GET_REGION_INFO
  static final int REGION_FLAGS = 4;
  static final int REGION_INDEX = 8;
  static final int REGION_CAP_OFFSET = 12;
  static final int REGION_SIZE = 16;
  static final int REGION_OFFSET = 24;
  static final int REGION_BYTES = 32;
  static final int REGION_FLAG_READ = 1;
  static final int REGION_FLAG_WRITE = 2;

  // region indexes of a PCI device: linux/vfio.h, VFIO_PCI_BAR0_REGION_INDEX on
  static final int BARS = 6;
  static final int CONFIG_REGION = 7;
  static final int REGIONS = 9;

  // VFIO_USER_DEVICE_GET_REGION_IO_FDS
  static final int IO_FDS_INDEX = 8;
  static final int IO_FDS_COUNT = 12;
  static final int IO_FDS_BYTES = 16;

  // VFIO_USER_DEVICE_GET_IRQ_INFO
  static final int IRQ_INFO_FLAGS = 4;
  static final int IRQ_INFO_INDEX = 8;
  static final int IRQ_INFO_COUNT = 12;
  static final int IRQ_INFO_BYTES = 16;
  static final int IRQ_EVENTFD = 1;
  static final int IRQ_MASKABLE = 2;
  static final int IRQ_AUTOMASKED = 4;

  // interrupt indexes of a PCI device: linux/vfio.h, VFIO_PCI_INTX_IRQ_INDEX on
  static final int INTX_IRQ = 0;
  static final int MSIX_IRQ = 2;
  static final int ERR_IRQ = 3;
  static final int IRQS = 5;

  // VFIO_USER_DEVICE_SET_IRQS
  static final int SET_IRQS_FLAGS = 4;
  static final int SET_IRQS_INDEX = 8;
  static final int SET_IRQS_START = 12;
  static final int SET_IRQS_COUNT = 16;
  static final int SET_IRQS_BYTES = 20;
  static final int DATA_NONE = 1;
  static final int DATA_BOOL = 2;
  static final int DATA_EVENTFD = 4;
  static final int ACTION_MASK = 8;
  static final int ACTION_UNMASK = 16;
  static final int ACTION_TRIGGER = 32;

  // VFIO_USER_REGION_READ, VFIO_USER_REGION_WRITE
  static final int ACCESS_OFFSET = 0;
  static final int ACCESS_REGION = 8;
  static final int ACCESS_COUNT = 12;
  static final int ACCESS_BYTES = 16;

  // VFIO_USER_DMA_READ, VFIO_USER_DMA_WRITE
  static final int DMA_ADDRESS = 0;
  static final int DMA_COUNT = 8;
  static final int DMA_DATA = 16;

  /** Where the data is for a client that has a count of 32 bits, as QEMU 11.1 has. */
  static final int DMA_DATA_SHORT_COUNT = 12;

  /** Bytes of a payload, without the data; wherever that is. */
  static final int DMA_BYTES = 16;

  // VFIO_USER_REGION_WRITE_MULTI
  static final int MULTI_COUNT = 0;
  static final int MULTI_BYTES = 8;
  static final int MULTI_WRITE_BYTES = ACCESS_BYTES + 8;

  private VfioUserLayout() {}
}
