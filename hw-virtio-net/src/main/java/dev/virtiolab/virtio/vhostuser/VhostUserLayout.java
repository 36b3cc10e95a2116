package dev.virtiolab.virtio.vhostuser;

/**
 * A vhost-user message: a header, then a payload that depends on the request (QEMU,
 * docs/interop/vhost-user.rst, "Message Specification"). Numbers are in the machine's byte order.
 *
 * <pre>
 *        +0               +4               +8               +c
 * header | request       | flags         | size          |
 * state  | index         | num           |
 * addr   | index         | flags         | descriptor                    |
 *        | used                          | available                     | log (64)
 * memory | num regions   | padding       | region, region, ...
 * slot   | padding (64)                  | region
 * region | guest address                 | size                          |
 *        | user address                  | mmap offset                   |
 * log    | log size                      | log offset                    |
 * iotlb  | iova                          | size                          |
 *        | user address                  | perm, type, 6 bytes of padding |
 * config | offset        | size          | flags         | the bytes
 * inflight | mmap size                   | mmap offset                   |
 *        | num queues, queue size, 4 bytes of padding that may be absent |
 * </pre>
 */
final class VhostUserLayout {
  static final int REQUEST = 0;
  static final int FLAGS = 4;
  static final int SIZE = 8;
  static final int HEADER_BYTES = 12;

  static final int VERSION_MASK = 0x3;
  static final int VERSION = 0x1;
  static final int REPLY = 0x4;
  static final int NEED_REPLY = 0x8;

  static final int U64_BYTES = 8;

  /** In the u64 that names a vring and may carry a descriptor. */
  static final int VRING_INDEX_MASK = 0xff;

  static final int VRING_NO_FD = 0x100;

  static final int STATE_INDEX = 0;
  static final int STATE_NUM = 4;
  static final int STATE_BYTES = 8;

  static final int ADDR_INDEX = 0;
  static final int ADDR_FLAGS = 4;
  static final int ADDR_DESCRIPTOR = 8;
  static final int ADDR_USED = 16;
  static final int ADDR_AVAILABLE = 24;
  static final int ADDR_LOG = 32;
  static final int ADDR_BYTES = 40;

  /** VHOST_VRING_F_LOG, of {@link #ADDR_FLAGS}. */
  static final int VRING_F_LOG = 1;

  static final int MEMORY_REGIONS = 0;
  static final int MEMORY_FIRST = 8;

  /** Regions in one message, at most: num regions is 1 to 8. */
  static final int MEMORY_MAX_REGIONS = 8;

  static final int SLOT_REGION = 8;
  static final int SLOT_BYTES = 40;

  static final int REGION_GUEST_ADDRESS = 0;
  static final int REGION_SIZE = 8;
  static final int REGION_USER_ADDRESS = 16;
  static final int REGION_MMAP_OFFSET = 24;
  static final int REGION_BYTES = 32;

  static final int LOG_SIZE = 0;
  static final int LOG_OFFSET = 8;
  static final int LOG_BYTES = 16;

  static final int IOTLB_IOVA = 0;
  static final int IOTLB_SIZE = 8;
  static final int IOTLB_USER_ADDRESS = 16;
  static final int IOTLB_PERMISSION = 24;
  static final int IOTLB_TYPE = 25;
  static final int IOTLB_MIN_BYTES = 26;
  static final int IOTLB_BYTES = 32;

  static final int IOTLB_READ = 1;
  static final int IOTLB_WRITE = 2;

  static final int IOTLB_MISS = 1;
  static final int IOTLB_UPDATE = 2;
  static final int IOTLB_INVALIDATE = 3;

  static final int CONFIG_OFFSET = 0;
  static final int CONFIG_SIZE = 4;
  static final int CONFIG_FLAGS = 8;
  static final int CONFIG_FIRST = 12;

  /** Bytes of configuration in one message, at most. */
  static final int CONFIG_MAX_BYTES = 256;

  /** Of {@link #CONFIG_FLAGS}: the whole space is set on the host that a guest migrates to. */
  static final int CONFIG_LIVE_MIGRATION = 1;

  static final int INFLIGHT_MMAP_SIZE = 0;
  static final int INFLIGHT_MMAP_OFFSET = 8;
  static final int INFLIGHT_NUM_QUEUES = 16;
  static final int INFLIGHT_QUEUE_SIZE = 18;
  static final int INFLIGHT_MIN_BYTES = 20;
  static final int INFLIGHT_BYTES = 24;

  /** No request that is known is longer: config with all its bytes, or eight regions. */
  static final int MAX_PAYLOAD_BYTES = CONFIG_FIRST + CONFIG_MAX_BYTES;

  /** Descriptors with one message, at most: one for each region. */
  static final int MAX_FDS = MEMORY_MAX_REGIONS;

  private VhostUserLayout() {}
}
