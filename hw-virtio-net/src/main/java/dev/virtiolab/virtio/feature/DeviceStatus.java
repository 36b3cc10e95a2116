package dev.virtiolab.virtio.feature;

/**
 * The device status field (virtio v1.4, 2.1 "Device Status Field").
 *
 * <p>The driver sets bits as it gets on; what a bit needs to stick, and who may clear it, is a
 * table:
 *
 * <pre>
 * bit                       sticks                        cleared by
 * ACKNOWLEDGE, DRIVER       always                        any write without it
 * FEATURES_OK               if the features are accepted  any write without it
 * DRIVER_OK                 always                        any write without it
 * DEVICE_NEEDS_RESET        always                        reset only
 * FAILED, bits 4 and 5      always                        any write without it
 * </pre>
 *
 * <p>A driver must not clear a bit except by reset (2.1.1). One that does is taken at its word: the
 * device stops. The device is <em>live</em> only with FEATURES_OK and DRIVER_OK both set, and
 * neither DEVICE_NEEDS_RESET nor FAILED: so DRIVER_OK alone does not make it run. To a driver of
 * the legacy interface, which has no FEATURES_OK, DRIVER_OK alone does, or its first kick (3.1.2
 * "Legacy Interface: Device Initialization").
 */
public final class DeviceStatus {
  public static final int ACKNOWLEDGE = 0x01;
  public static final int DRIVER = 0x02;
  public static final int DRIVER_OK = 0x04;
  public static final int FEATURES_OK = 0x08;

  /** Meaningful with VIRTIO_F_SUSPEND only, which is not offered: stored, without effect. */
  public static final int SUSPEND = 0x10;

  public static final int DEVICE_NEEDS_RESET = 0x40;
  public static final int FAILED = 0x80;

  private static final int RUNNING = FEATURES_OK | DRIVER_OK;
  private static final int STOPPED = DEVICE_NEEDS_RESET | FAILED;

  /** How one bit behaves when the driver writes it. */
  private enum Rule {
    /** As written. */
    MIRROR,
    /** As written, but newly set only if the device accepts the features. */
    IF_FEATURES_ACCEPTED,
    /** Once set, until reset. */
    HELD
  }

  private static final Rule[] RULES = {
    Rule.MIRROR, // 0 ACKNOWLEDGE
    Rule.MIRROR, // 1 DRIVER
    Rule.MIRROR, // 2 DRIVER_OK
    Rule.IF_FEATURES_ACCEPTED, // 3 FEATURES_OK
    Rule.MIRROR, // 4 SUSPEND
    Rule.MIRROR, // 5 not defined
    Rule.HELD, // 6 DEVICE_NEEDS_RESET
    Rule.MIRROR, // 7 FAILED
  };

  private static final int CONDITIONAL = mask(Rule.IF_FEATURES_ACCEPTED);
  private static final int HELD = mask(Rule.HELD);

  /** Volatile: written under the device's lock, and read by a driver that polls without it. */
  private volatile int bits;

  /** What has to be set for the device to be live. */
  private int needed = RUNNING;

  public DeviceStatus() {}

  /** The field as the driver reads it, 0 to 255. */
  public int bits() {
    return bits;
  }

  /** Whether this write is the one that closes the negotiation. */
  public boolean proposesFeatures(int written) {
    return (written & ~bits & CONDITIONAL) != 0;
  }

  /**
   * The driver writes the field; writing 0 is {@link #reset()}, not this.
   *
   * @param written the value, 1 to 255
   * @param featuresAccepted whether FEATURES_OK may be newly set
   */
  public void write(int written, boolean featuresAccepted) {
    int refused = featuresAccepted ? 0 : written & ~bits & CONDITIONAL;
    bits = (written & 0xff & ~refused) | (bits & HELD);
  }

  /** The device gives up until it is reset. */
  public void needsReset() {
    bits |= DEVICE_NEEDS_RESET;
  }

  /**
   * The driver uses the legacy interface.
   *
   * @param byKick it has kicked, and needs no DRIVER_OK any more
   */
  public void useLegacy(boolean byKick) {
    needed = byKick ? 0 : DRIVER_OK & needed;
  }

  /** Whether the driver uses the legacy interface. */
  public boolean legacy() {
    return needed != RUNNING;
  }

  /** Back to 0. */
  public void reset() {
    bits = 0;
    needed = RUNNING;
  }

  /** Whether the driver has said DRIVER_OK. */
  public boolean driverOk() {
    return (bits & DRIVER_OK) != 0;
  }

  /** Whether the driver has said that it is there. */
  public boolean driver() {
    return (bits & DRIVER) != 0;
  }

  /** Whether the device may use its queues. */
  public boolean live() {
    return (bits & (needed | STOPPED)) == needed;
  }

  private static int mask(Rule rule) {
    int mask = 0;
    for (int bit = 0; bit < RULES.length; bit++) {
      if (RULES[bit] == rule) {
        mask |= 1 << bit;
      }
    }
    return mask;
  }
}
