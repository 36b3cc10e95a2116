package dev.virtiolab.virtio.transport;

import dev.virtiolab.virtio.feature.Negotiation;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The registers of a function, by name and with what they hold: for a person to read.
 *
 * <p>Reading them is not free of effects on a real device. Here the queue and feature selects are
 * put back, and the ISR, which a read would clear, is left alone.
 */
public final class RegisterMap {

  /**
   * A register.
   *
   * @param bar that holds it
   * @param structure of virtio v1.4, 4.1.4, such as {@code common}
   * @param selected which queue or feature word was selected; -1 where that has no meaning
   * @param offset in the BAR
   * @param bytes wide
   * @param access what a driver may do: {@code read-only}, {@code read-write}, {@code
   *     write-one-to-set}, {@code read-to-clear}, {@code write-only}, or {@code device-specific}
   * @param value unsigned; -1 if it was not read
   */
  public record Register(
      int bar,
      String structure,
      String name,
      int selected,
      long offset,
      int bytes,
      String access,
      long value) {}

  private static final String LEGACY = "legacy";
  private static final String READ_ONLY = "read-only";
  private static final String READ_WRITE = "read-write";
  private static final String READ_TO_CLEAR = "read-to-clear";

  private final VirtioPciFunction function;
  private final List<Register> registers = new ArrayList<>();

  private RegisterMap(VirtioPciFunction function) {
    this.function = function;
  }

  /** Every register of {@code function} as it is now. */
  public static List<Register> of(VirtioPciFunction function) {
    function.lock().lock();
    try {
      RegisterMap map = new RegisterMap(function);
      if (function.kind().isLegacy()) {
        map.addLegacy();
      }
      if (function.kind().isModern()) {
        map.addStructures();
      }
      return List.copyOf(map.registers);
    } finally {
      function.lock().unlock();
    }
  }

  // ---- BAR 0

  private void addLegacy() {
    long select = readPort(LegacyLayout.QUEUE_SELECT, 2);
    addPort("device_features", -1, LegacyLayout.DEVICE_FEATURES, 4, READ_ONLY);
    addPort("driver_features", -1, LegacyLayout.DRIVER_FEATURES, 4, READ_WRITE);
    for (int queue = 0; queue < function.queues(); queue++) {
      writeQueueSelect(queue);
      addPort("queue_address", queue, LegacyLayout.QUEUE_ADDRESS, 4, READ_WRITE);
      addPort("queue_size", queue, LegacyLayout.QUEUE_SIZE, 2, READ_ONLY);
    }
    writeQueueSelect(select);
    addPort("queue_select", -1, LegacyLayout.QUEUE_SELECT, 2, READ_WRITE);
    addUnread(LEGACY, "queue_notify", LegacyLayout.QUEUE_NOTIFY, 2, "write-only");
    addPort("device_status", -1, LegacyLayout.DEVICE_STATUS, 1, READ_WRITE);
    addUnread(LEGACY, "isr_status", LegacyLayout.ISR_STATUS, 1, READ_TO_CLEAR);
    boolean msix = function.msix().enabled();
    if (msix) {
      addPort("config_msix_vector", -1, LegacyLayout.CONFIG_MSIX_VECTOR, 2, READ_WRITE);
      addPort("queue_msix_vector", -1, LegacyLayout.QUEUE_MSIX_VECTOR, 2, READ_WRITE);
    }
    int config = msix ? LegacyLayout.CONFIG_WITH_MSIX : LegacyLayout.CONFIG_WITHOUT_MSIX;
    for (int offset = 0; offset < function.configBytes(); offset++) {
      addPort("config[" + offset + "]", -1, config + offset, 1, "device-specific");
    }
  }

  private void addPort(String name, int selected, int offset, int bytes, String access) {
    registers.add(
        new Register(
            VirtioPciFunction.LEGACY_BAR,
            LEGACY,
            name,
            selected,
            offset,
            bytes,
            access,
            readPort(offset, bytes)));
  }

  private long readPort(int offset, int bytes) {
    return function.barRead(VirtioPciFunction.LEGACY_BAR, offset, bytes);
  }

  private void writeQueueSelect(long queue) {
    function.barWrite(VirtioPciFunction.LEGACY_BAR, LegacyLayout.QUEUE_SELECT, 2, queue);
  }

  // ---- BAR 4

  private void addStructures() {
    addCommon();
    addUnread("isr", "isr_status", VirtioPciFunction.ISR_OFFSET, 1, READ_TO_CLEAR);
    addDevice();
    addUnread("notify", "queue_notify", VirtioPciFunction.NOTIFY_OFFSET, 2, "write-only");
  }

  /** What is not read, or not without an effect. */
  private void addUnread(String structure, String name, long offset, int bytes, String access) {
    int bar =
        structure.equals(LEGACY) ? VirtioPciFunction.LEGACY_BAR : VirtioPciFunction.REGISTER_BAR;
    registers.add(new Register(bar, structure, name, -1, offset, bytes, access, -1));
  }

  private void addCommon() {
    long queues = read(CommonRegister.NUM_QUEUES);
    long featureSelect = read(CommonRegister.DEVICE_FEATURE_SELECT);
    long driverSelect = read(CommonRegister.DRIVER_FEATURE_SELECT);
    long queueSelect = read(CommonRegister.QUEUE_SELECT);
    for (CommonRegister register : CommonRegister.values()) {
      switch (register) {
        case DEVICE_FEATURE ->
            addSelected(register, CommonRegister.DEVICE_FEATURE_SELECT, Negotiation.WORDS);
        case DRIVER_FEATURE ->
            addSelected(register, CommonRegister.DRIVER_FEATURE_SELECT, Negotiation.WORDS);
        default -> {
          if (register.offset() <= CommonConfigLayout.QUEUE_SELECT) {
            add(register, -1);
          }
        }
      }
    }
    for (int queue = 0; queue < queues; queue++) {
      write(CommonRegister.QUEUE_SELECT, queue);
      for (CommonRegister register : CommonRegister.values()) {
        if (register.offset() > CommonConfigLayout.QUEUE_SELECT) {
          add(register, queue);
        }
      }
    }
    write(CommonRegister.DEVICE_FEATURE_SELECT, featureSelect);
    write(CommonRegister.DRIVER_FEATURE_SELECT, driverSelect);
    write(CommonRegister.QUEUE_SELECT, queueSelect);
  }

  private void addSelected(CommonRegister register, CommonRegister select, int words) {
    for (int word = 0; word < words; word++) {
      write(select, word);
      add(register, word);
    }
  }

  private void addDevice() {
    int bytes = function.configBytes();
    for (int offset = 0; offset < bytes; offset++) {
      long at = VirtioPciFunction.DEVICE_OFFSET + offset;
      registers.add(
          new Register(
              VirtioPciFunction.REGISTER_BAR,
              "device",
              "config[" + offset + "]",
              -1,
              at,
              1,
              "device-specific",
              read(at, 1)));
    }
  }

  private void add(CommonRegister register, int selected) {
    registers.add(
        new Register(
            VirtioPciFunction.REGISTER_BAR,
            "common",
            register.name().toLowerCase(Locale.ROOT),
            selected,
            VirtioPciFunction.COMMON_OFFSET + register.offset(),
            register.bytes(),
            register.access().name().toLowerCase(Locale.ROOT).replace('_', '-'),
            read(register)));
  }

  private long read(CommonRegister register) {
    return read(VirtioPciFunction.COMMON_OFFSET + register.offset(), register.bytes());
  }

  private long read(long offset, int bytes) {
    return function.barRead(VirtioPciFunction.REGISTER_BAR, offset, bytes);
  }

  private void write(CommonRegister register, long value) {
    function.barWrite(
        VirtioPciFunction.REGISTER_BAR,
        VirtioPciFunction.COMMON_OFFSET + register.offset(),
        register.bytes(),
        value);
  }
}
