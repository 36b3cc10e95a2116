package dev.virtiolab.virtio.transport;

import dev.virtiolab.virtio.feature.DeviceStatus;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.feature.Negotiation;
import java.util.Objects;

/**
 * The common configuration structure: what each register reads and what writing it does (virtio
 * v1.4, 4.1.4.3 "Common configuration structure layout"). Called with the device's lock held.
 *
 * <p>Where the specification leaves an answer open it is QEMU's, down to what looks odd: the three
 * selectors differ at reset ({@code queue_select} goes to 0, the feature selectors stay), a
 * selector of a queue that cannot exist is lost, and a vector that the function lacks reads back as
 * NO_VECTOR.
 */
final class CommonConfig {
  /** Queues that {@code queue_select} can reach, whether or not the device has them. */
  static final int SELECTABLE_QUEUES = 1024;

  private static final long LOW_WORD = 0xffff_ffffL;

  /** What the registers cause outside themselves. */
  interface Effects {
    /** Status was written 0. */
    void resetDevice();

    /** FEATURES_OK stuck, or a driver of the legacy interface begins to use the device. */
    void featuresAgreed(Features features);

    /** The driver broke a rule that only a reset mends. */
    void needsReset();
  }

  private final VirtioDevice device;
  private final Effects effects;
  private final int vectors;

  /** Bits 0 to 31, as the legacy interface offers them. */
  private final long legacyOffered;

  private final DeviceStatus status = new DeviceStatus();
  private final Negotiation negotiation;
  private final QueueRegisters[] queues = new QueueRegisters[SELECTABLE_QUEUES];

  private int deviceFeatureSelect;
  private int driverFeatureSelect;
  private int configVector = QueueRegisters.NO_VECTOR;
  private int queueSelect;
  private int generation;
  private int generationSeen;

  /**
   * @param vectors MSI-X vectors that the function has
   */
  CommonConfig(VirtioDevice device, Effects effects, int vectors) {
    this.device = device;
    this.effects = effects;
    this.vectors = vectors;
    negotiation = new Negotiation(device.offeredFeatures(), device.requiredFeatures());
    legacyOffered =
        LOW_WORD
            & (device.offeredFeatures().low()
                | device.legacy().features()
                | FeatureBits.VIRTIO_F_ANY_LAYOUT
                | FeatureBits.VIRTIO_F_BAD_FEATURE);
    for (int i = 0; i < queues.length; i++) {
      queues[i] = new QueueRegisters(0);
    }
    arrangeQueues();
  }

  DeviceStatus status() {
    return status;
  }

  Negotiation negotiation() {
    return negotiation;
  }

  int configVector() {
    return configVector;
  }

  int queueVector(int queue) {
    return queues[queue].vector();
  }

  /** What the driver wrote about {@code queue}, one that the device has. */
  QueueAddresses queueAddresses(int queue) {
    QueueRegisters registers = queues[Objects.checkIndex(queue, device.queues())];
    return new QueueAddresses(
        registers.enabled(),
        registers.size(),
        registers.descriptorArea(),
        registers.driverArea(),
        registers.deviceArea());
  }

  /** Reads what begins at {@code offset}; the caller cuts it to the width of the access. */
  long read(int offset) {
    CommonRegister register = CommonRegister.at(offset);
    if (register == null) {
      return 0;
    }
    QueueRegisters queue = queues[queueSelect];
    return switch (register) {
      case DEVICE_FEATURE_SELECT -> deviceFeatureSelect;
      case DEVICE_FEATURE -> negotiation.offeredWord(deviceFeatureSelect);
      case DRIVER_FEATURE_SELECT -> driverFeatureSelect;
      case DRIVER_FEATURE -> negotiation.driverWord(driverFeatureSelect);
      case CONFIG_MSIX_VECTOR -> configVector;
      case NUM_QUEUES -> device.queues(negotiation.wanted());
      case DEVICE_STATUS -> status.bits();
      case CONFIG_GENERATION -> {
        generationSeen = generation;
        yield generation;
      }
      case QUEUE_SELECT -> queueSelect;
      case QUEUE_SIZE -> queue.size();
      case QUEUE_MSIX_VECTOR -> queue.vector();
      case QUEUE_ENABLE -> queue.enabled() ? 1 : 0;
      case QUEUE_NOTIFY_OFF -> queueSelect;
      case QUEUE_DESC_LOW -> queue.descriptorArea();
      case QUEUE_DESC_HIGH -> queue.descriptorArea() >>> 32;
      case QUEUE_DRIVER_LOW -> queue.driverArea();
      case QUEUE_DRIVER_HIGH -> queue.driverArea() >>> 32;
      case QUEUE_DEVICE_LOW -> queue.deviceArea();
      case QUEUE_DEVICE_HIGH -> queue.deviceArea() >>> 32;
      // VIRTIO_F_NOTIF_CONFIG_DATA is not offered; a queue reset is over before it can be asked
      // for.
      case QUEUE_NOTIF_CONFIG_DATA, QUEUE_RESET -> 0;
    };
  }

  /** Writes what begins at {@code offset}; {@code value} is as wide as the access was, unsigned. */
  void write(int offset, long value) {
    CommonRegister register = CommonRegister.at(offset);
    if (register == null || !register.writable()) {
      return;
    }
    QueueRegisters queue = queues[queueSelect];
    switch (register) {
      case DEVICE_FEATURE_SELECT -> deviceFeatureSelect = (int) value;
      case DRIVER_FEATURE_SELECT -> driverFeatureSelect = (int) value;
      case DRIVER_FEATURE -> {
        negotiation.writeDriverWord(driverFeatureSelect, (int) value);
        arrangeQueues();
      }
      case CONFIG_MSIX_VECTOR -> configVector = vector(value);
      case DEVICE_STATUS -> writeStatus((int) value & 0xff);
      case QUEUE_SELECT -> {
        if (value < SELECTABLE_QUEUES) {
          queueSelect = (int) value;
        }
      }
      case QUEUE_SIZE -> queue.writeSize(value);
      case QUEUE_MSIX_VECTOR -> queue.writeVector(vector(value));
      case QUEUE_ENABLE -> writeQueueEnable(queue, value);
      case QUEUE_DESC_LOW -> queue.writeDescriptorArea(false, value);
      case QUEUE_DESC_HIGH -> queue.writeDescriptorArea(true, value);
      case QUEUE_DRIVER_LOW -> queue.writeDriverArea(false, value);
      case QUEUE_DRIVER_HIGH -> queue.writeDriverArea(true, value);
      case QUEUE_DEVICE_LOW -> queue.writeDeviceArea(false, value);
      case QUEUE_DEVICE_HIGH -> queue.writeDeviceArea(true, value);
      case QUEUE_RESET -> writeQueueReset(queue, value);
      case DEVICE_FEATURE,
          NUM_QUEUES,
          CONFIG_GENERATION,
          QUEUE_NOTIFY_OFF,
          QUEUE_NOTIF_CONFIG_DATA ->
          throw new AssertionError("read-only register " + register);
    }
  }

  // ---- through the legacy interface, where it is another register or means something else

  /** What the legacy interface offers. */
  long legacyOffered() {
    return legacyOffered;
  }

  /** What was accepted through it. */
  long legacyFeatures() {
    return negotiation.driverWord(0) & LOW_WORD;
  }

  /**
   * The driver accepts bits 0 to 31. What is not offered is not kept, as on QEMU; what holds, holds
   * from DRIVER_OK on.
   */
  void writeLegacyFeatures(long value) {
    if (negotiation.settled() && (!status.legacy() || status.driverOk())) {
      return;
    }
    boolean bad = (value & FeatureBits.VIRTIO_F_BAD_FEATURE) != 0;
    negotiation.writeDriverWord(
        0, (int) ((bad ? device.legacy().assumed() : value) & legacyOffered));
    arrangeQueues();
    if (status.legacy()) {
      agreeLegacy();
    }
  }

  /** Where the selected queue begins; 0 for nowhere. */
  long queueBase() {
    return queues[queueSelect].descriptorArea();
  }

  /** Places the selected queue; 0 resets the device, as on QEMU. */
  void writeQueueBase(long base) {
    if (base == 0) {
      effects.resetDevice();
      return;
    }
    queues[queueSelect].place(base);
    startQueues();
  }

  /** The driver writes the status: there is no FEATURES_OK. */
  void writeLegacyStatus(int written) {
    if (written == 0) {
      effects.resetDevice();
      return;
    }
    status.write(written, false);
    if (status.driverOk() && !negotiation.settled()) {
      status.useLegacy(false);
      agreeLegacy();
    }
    startQueues();
  }

  /** The driver kicks before DRIVER_OK: if it is there at all, it uses the device already. */
  void startByKick() {
    if (!status.driver() || negotiation.settled() && !status.legacy()) {
      return;
    }
    status.useLegacy(true);
    agreeLegacy();
    startQueues();
  }

  private void agreeLegacy() {
    // Masked again: the other interface may have written the word meanwhile.
    negotiation.settleLegacy(legacyFeatures() & legacyOffered);
    effects.featuresAgreed(negotiation.negotiated());
  }

  /** The device configuration has changed. */
  void configChanged() {
    // Never to what the driver read last: so the 256th change cannot look like none.
    do {
      generation = generation + 1 & 0xff;
    } while (generation == generationSeen);
  }

  /**
   * As after power-on, but for the feature selectors and the generation, which QEMU keeps and which
   * no driver can rely on.
   */
  void reset() {
    status.reset();
    negotiation.reset();
    configVector = QueueRegisters.NO_VECTOR;
    queueSelect = 0;
    for (QueueRegisters queue : queues) {
      queue.reset();
    }
    arrangeQueues();
  }

  /**
   * How many queues there are, and which is which, follows from what the driver has written as
   * features, also before FEATURES_OK (as on QEMU): it looks at the queues when it likes.
   */
  private void arrangeQueues() {
    for (int i = 0; i < device.queues(); i++) {
      queues[i].resize(device.queueSize(i, negotiation.wanted()));
    }
  }

  private void writeStatus(int written) {
    if (written == 0) {
      effects.resetDevice();
      return;
    }
    boolean accepted = status.proposesFeatures(written) && negotiation.settle();
    status.write(written, accepted);
    if (accepted) {
      effects.featuresAgreed(negotiation.negotiated());
    }
    startQueues();
  }

  private void writeQueueEnable(QueueRegisters queue, long value) {
    if (value == 1) {
      queue.enable();
      startQueues();
    } else if (negotiation.negotiated(FeatureBits.VIRTIO_F_VERSION_1)) {
      // The driver must not write 0 (4.1.4.3.2), and nothing else is defined: QEMU gives up, too.
      effects.needsReset();
    }
  }

  private void writeQueueReset(QueueRegisters queue, long value) {
    // The register exists only with the feature.
    if (value == 1 && negotiation.negotiated(FeatureBits.VIRTIO_F_RING_RESET)) {
      if (queueSelect < device.queues(negotiation.negotiated())) {
        device.resetQueue(queueSelect);
      }
      queue.reset();
    }
  }

  /** Starts what is enabled and waits for DRIVER_OK no more. */
  private void startQueues() {
    if (!status.live()) {
      return;
    }
    for (int i = 0; i < device.queues(negotiation.negotiated()); i++) {
      QueueRegisters queue = queues[i];
      if (queue.enabled() && !queue.started()) {
        queue.start();
        device.startQueue(
            i, queue.size(), queue.descriptorArea(), queue.driverArea(), queue.deviceArea());
      }
    }
  }

  private int vector(long value) {
    return value < vectors ? (int) value : QueueRegisters.NO_VECTOR;
  }
}
