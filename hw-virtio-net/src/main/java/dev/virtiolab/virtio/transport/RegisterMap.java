package dev.virtiolab.virtio.transport;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The registers of a function's BAR 4, by name and with what they hold: for a person to read.
 *
 * <p>Reading them is not free of effects on a real device. Here the queue and feature selects are
 * put back, and the ISR, which a read would clear, is left alone.
 */
public final class RegisterMap {

  /**
   * A register.
   *
   * @param structure of virtio v1.4, 4.1.4, such as {@code common}
   * @param selected which queue or feature word was selected; -1 where that has no meaning
   * @param offset in BAR 4
   * @param bytes wide
   * @param access what a driver may do: {@code read-only}, {@code read-write}, {@code
   *     write-one-to-set}, {@code read-to-clear}, {@code write-only}, or {@code device-specific}
   * @param value unsigned; -1 if it was not read
   */
  public record Register(
      String structure,
      String name,
      int selected,
      long offset,
      int bytes,
      String access,
      long value) {}

  private static final int FEATURE_WORDS = 2;

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
      map.addCommon();
      map.registers.add(
          new Register(
              "isr", "isr_status", -1, VirtioPciFunction.ISR_OFFSET, 1, "read-to-clear", -1));
      map.addDevice();
      map.registers.add(
          new Register(
              "notify", "queue_notify", -1, VirtioPciFunction.NOTIFY_OFFSET, 2, "write-only", -1));
      return List.copyOf(map.registers);
    } finally {
      function.lock().unlock();
    }
  }

  private void addCommon() {
    long queues = read(CommonRegister.NUM_QUEUES);
    long featureSelect = read(CommonRegister.DEVICE_FEATURE_SELECT);
    long driverSelect = read(CommonRegister.DRIVER_FEATURE_SELECT);
    long queueSelect = read(CommonRegister.QUEUE_SELECT);
    for (CommonRegister register : CommonRegister.values()) {
      switch (register) {
        case DEVICE_FEATURE ->
            addSelected(register, CommonRegister.DEVICE_FEATURE_SELECT, FEATURE_WORDS);
        case DRIVER_FEATURE ->
            addSelected(register, CommonRegister.DRIVER_FEATURE_SELECT, FEATURE_WORDS);
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
              "device", "config[" + offset + "]", -1, at, 1, "device-specific", read(at, 1)));
    }
  }

  private void add(CommonRegister register, int selected) {
    registers.add(
        new Register(
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
