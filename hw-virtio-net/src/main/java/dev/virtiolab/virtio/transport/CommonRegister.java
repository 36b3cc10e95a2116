package dev.virtiolab.virtio.transport;

/**
 * Every register of the common configuration: where it is, how wide, and what may be done to it
 * (virtio v1.4, 4.1.4.3). The 64-bit addresses are two registers each, as the specification has the
 * device treat them (4.1.3).
 *
 * <p>An access is decoded by its first byte: one that begins at a register reads it or writes it
 * whole, the value cut or zero-extended to the access; one that begins anywhere else reads 0 and
 * writes nothing.
 */
enum CommonRegister {
  DEVICE_FEATURE_SELECT(CommonConfigLayout.DEVICE_FEATURE_SELECT, 4, Access.READ_WRITE),
  DEVICE_FEATURE(CommonConfigLayout.DEVICE_FEATURE, 4, Access.READ_ONLY),
  DRIVER_FEATURE_SELECT(CommonConfigLayout.DRIVER_FEATURE_SELECT, 4, Access.READ_WRITE),
  DRIVER_FEATURE(CommonConfigLayout.DRIVER_FEATURE, 4, Access.READ_WRITE),
  CONFIG_MSIX_VECTOR(CommonConfigLayout.CONFIG_MSIX_VECTOR, 2, Access.READ_WRITE),
  NUM_QUEUES(CommonConfigLayout.NUM_QUEUES, 2, Access.READ_ONLY),
  DEVICE_STATUS(CommonConfigLayout.DEVICE_STATUS, 1, Access.READ_WRITE),
  CONFIG_GENERATION(CommonConfigLayout.CONFIG_GENERATION, 1, Access.READ_ONLY),
  QUEUE_SELECT(CommonConfigLayout.QUEUE_SELECT, 2, Access.READ_WRITE),
  QUEUE_SIZE(CommonConfigLayout.QUEUE_SIZE, 2, Access.READ_WRITE),
  QUEUE_MSIX_VECTOR(CommonConfigLayout.QUEUE_MSIX_VECTOR, 2, Access.READ_WRITE),
  QUEUE_ENABLE(CommonConfigLayout.QUEUE_ENABLE, 2, Access.WRITE_ONE_TO_SET),
  QUEUE_NOTIFY_OFF(CommonConfigLayout.QUEUE_NOTIFY_OFF, 2, Access.READ_ONLY),
  QUEUE_DESC_LOW(CommonConfigLayout.QUEUE_DESC_LOW, 4, Access.READ_WRITE),
  QUEUE_DESC_HIGH(CommonConfigLayout.QUEUE_DESC_HIGH, 4, Access.READ_WRITE),
  QUEUE_DRIVER_LOW(CommonConfigLayout.QUEUE_DRIVER_LOW, 4, Access.READ_WRITE),
  QUEUE_DRIVER_HIGH(CommonConfigLayout.QUEUE_DRIVER_HIGH, 4, Access.READ_WRITE),
  QUEUE_DEVICE_LOW(CommonConfigLayout.QUEUE_DEVICE_LOW, 4, Access.READ_WRITE),
  QUEUE_DEVICE_HIGH(CommonConfigLayout.QUEUE_DEVICE_HIGH, 4, Access.READ_WRITE),
  QUEUE_NOTIF_CONFIG_DATA(CommonConfigLayout.QUEUE_NOTIF_CONFIG_DATA, 2, Access.READ_ONLY),
  QUEUE_RESET(CommonConfigLayout.QUEUE_RESET, 2, Access.WRITE_ONE_TO_SET);

  /** What a driver may do to a register. */
  enum Access {
    READ_ONLY,
    READ_WRITE,
    /** Writing 1 does something; any other value is no request. */
    WRITE_ONE_TO_SET
  }

  private static final CommonRegister[] BY_OFFSET =
      new CommonRegister[CommonConfigLayout.QUEUE_RESET + 1];

  static {
    for (CommonRegister register : values()) {
      BY_OFFSET[register.offset] = register;
    }
  }

  private final int offset;
  private final int bytes;
  private final Access access;

  CommonRegister(int offset, int bytes, Access access) {
    this.offset = offset;
    this.bytes = bytes;
    this.access = access;
  }

  int offset() {
    return offset;
  }

  int bytes() {
    return bytes;
  }

  Access access() {
    return access;
  }

  boolean writable() {
    return access != Access.READ_ONLY;
  }

  /** The register that begins at {@code offset}, or null. */
  static CommonRegister at(int offset) {
    return offset < BY_OFFSET.length ? BY_OFFSET[offset] : null;
  }
}
