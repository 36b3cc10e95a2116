package dev.virtiolab.virtio.vhostuser;

/**
 * The bits of VHOST_USER_GET_PROTOCOL_FEATURES (vhost-user.rst, "Protocol features"), and the two
 * bits of VHOST_USER_GET_FEATURES that are the protocol's own and no device's.
 */
public final class ProtocolFeatures {
  /** VHOST_USER_F_PROTOCOL_FEATURES, a feature bit: there are protocol features. */
  public static final long F_PROTOCOL_FEATURES = 1L << 30;

  /** VHOST_F_LOG_ALL, a feature bit: writes to guest memory are logged. */
  public static final long F_LOG_ALL = 1L << 26;

  /** Several queues: GET_QUEUE_NUM. */
  public static final long MQ = 1L << 0;

  /** The dirty log is memory that is passed. */
  public static final long LOG_SHMFD = 1L << 1;

  /** Any request may ask for an acknowledgement. */
  public static final long REPLY_ACK = 1L << 3;

  /** BACKEND_REQ, once SLAVE_REQ: a channel for requests of the back-end. */
  public static final long BACKEND_REQ = 1L << 5;

  /** The device's configuration is asked for here. */
  public static final long CONFIG = 1L << 9;

  /** Chains in flight are kept in memory that outlives the back-end. */
  public static final long INFLIGHT_SHMFD = 1L << 12;

  /** RESET_DEVICE. */
  public static final long RESET_DEVICE = 1L << 13;

  /** Memory regions come and go one by one. */
  public static final long CONFIGURE_MEM_SLOTS = 1L << 15;

  /** Everything that works here. */
  public static final long OFFERED =
      MQ
          | LOG_SHMFD
          | REPLY_ACK
          | BACKEND_REQ
          | CONFIG
          | INFLIGHT_SHMFD
          | RESET_DEVICE
          | CONFIGURE_MEM_SLOTS;

  private ProtocolFeatures() {}
}
