package dev.virtiolab.virtio.transport;

import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.function.BarHandler;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The legacy interface: the ports behind BAR 0 (virtio v1.4, 4.1.4.10 "Legacy Interfaces: A Note on
 * PCI Device Layout"). Its registers are other doors to what {@link CommonConfig} holds.
 *
 * <p>An access is taken apart into naturally aligned ones of at most 4 bytes, lowest first. Each is
 * decoded by its first byte, as on QEMU: one that begins at a register reads it or writes it whole,
 * the value cut or zero-extended to the access; one that begins anywhere else before the
 * configuration reads as all ones and writes nothing.
 */
final class LegacyRegisters implements BarHandler {

  /** What is behind the ports and not in {@link CommonConfig}. */
  interface Ports {
    ReentrantLock lock();

    boolean msixEnabled();

    /** Reads ISR status, which clears it. */
    int takeIsr();

    long readConfig(int offset, int bytes);

    void writeConfig(int offset, int bytes, long value);

    /** A kick, of any number; without the lock. */
    void kick(long queue);
  }

  private final CommonConfig common;
  private final Ports ports;

  LegacyRegisters(CommonConfig common, Ports ports) {
    this.common = common;
    this.ports = ports;
  }

  /** Bytes of a BAR that holds them, with so much configuration. */
  static long barBytes(int configBytes) {
    int bytes = LegacyLayout.CONFIG_WITH_MSIX + configBytes;
    return Integer.highestOneBit(bytes - 1) << 1;
  }

  /** The status is polled, and without effects; a kick is for a device that runs. */
  @Override
  public boolean mayWait(long offset, int width, boolean write) {
    return write
        ? offset != LegacyLayout.QUEUE_NOTIFY || width > 2 || !common.status().driverOk()
        : offset != LegacyLayout.DEVICE_STATUS || width != 1;
  }

  @Override
  public long read(long offset, int width) {
    if (!mayWait(offset, width, false)) {
      return common.status().bits();
    }
    ports.lock().lock();
    try {
      long value = 0;
      for (int done = 0; done < width; ) {
        int bytes = VirtioPciFunction.piece(offset + done, width - done);
        long part = readRegister((int) offset + done, bytes) & ConfigSpace.allOnes(bytes);
        value |= part << 8 * done;
        done += bytes;
      }
      return value;
    } finally {
      ports.lock().unlock();
    }
  }

  @Override
  public void write(long offset, int width, long value) {
    for (int done = 0; done < width; ) {
      int bytes = VirtioPciFunction.piece(offset + done, width - done);
      long part = value >>> 8 * done & ConfigSpace.allOnes(bytes);
      if (offset + done == LegacyLayout.QUEUE_NOTIFY) {
        notifyQueue(part);
      } else {
        ports.lock().lock();
        try {
          writeRegister((int) offset + done, bytes, part);
        } finally {
          ports.lock().unlock();
        }
      }
      done += bytes;
    }
  }

  private int configOffset() {
    return ports.msixEnabled() ? LegacyLayout.CONFIG_WITH_MSIX : LegacyLayout.CONFIG_WITHOUT_MSIX;
  }

  private long readRegister(int offset, int bytes) {
    int config = configOffset();
    if (offset >= config) {
      return ports.readConfig(offset - config, bytes);
    }
    return switch (offset) {
      case LegacyLayout.DEVICE_FEATURES -> common.legacyOffered();
      case LegacyLayout.DRIVER_FEATURES -> common.legacyFeatures();
      case LegacyLayout.QUEUE_ADDRESS -> common.queueBase() >>> LegacyLayout.PAGE_SHIFT;
      case LegacyLayout.QUEUE_SIZE -> common.read(CommonConfigLayout.QUEUE_SIZE);
      case LegacyLayout.QUEUE_SELECT -> common.read(CommonConfigLayout.QUEUE_SELECT);
      case LegacyLayout.DEVICE_STATUS -> common.read(CommonConfigLayout.DEVICE_STATUS);
      case LegacyLayout.ISR_STATUS -> ports.takeIsr();
      case LegacyLayout.CONFIG_MSIX_VECTOR -> common.read(CommonConfigLayout.CONFIG_MSIX_VECTOR);
      case LegacyLayout.QUEUE_MSIX_VECTOR -> common.read(CommonConfigLayout.QUEUE_MSIX_VECTOR);
      default -> -1;
    };
  }

  private void writeRegister(int offset, int bytes, long value) {
    int config = configOffset();
    if (offset >= config) {
      ports.writeConfig(offset - config, bytes, value);
      return;
    }
    switch (offset) {
      case LegacyLayout.DRIVER_FEATURES -> common.writeLegacyFeatures(value);
      case LegacyLayout.QUEUE_ADDRESS -> common.writeQueueBase(value << LegacyLayout.PAGE_SHIFT);
      case LegacyLayout.QUEUE_SELECT -> common.write(CommonConfigLayout.QUEUE_SELECT, value);
      case LegacyLayout.DEVICE_STATUS -> common.writeLegacyStatus((int) value & 0xff);
      case LegacyLayout.CONFIG_MSIX_VECTOR ->
          common.write(CommonConfigLayout.CONFIG_MSIX_VECTOR, value);
      case LegacyLayout.QUEUE_MSIX_VECTOR ->
          common.write(CommonConfigLayout.QUEUE_MSIX_VECTOR, value);
      default -> {
        // Read-only, or no register.
      }
    }
  }

  /**
   * A kick of the queue whose number is written. No lock while the device runs; a driver that kicks
   * before DRIVER_OK starts it ("MUST support the driver using the device before the step 8", 3.1.2
   * "Legacy Interface: Device Initialization").
   */
  private void notifyQueue(long queue) {
    if (!common.status().driverOk()) {
      ports.lock().lock();
      try {
        common.startByKick();
      } finally {
        ports.lock().unlock();
      }
    }
    ports.kick(queue);
  }
}
