package dev.virtiolab.pci.config;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * The configuration registers of one function: bytes, what each bit does when it is written from
 * the bus, and what a reset puts back.
 *
 * <p>Two sides meet here. The <em>bus</em> reads and writes by the declared rules; the
 * <em>function</em> loads and stores what it likes. Values are little-endian and unsigned, in the
 * low bytes of a {@code long}.
 *
 * <p>A bus access is 1, 2 or 4 bytes wide and stays within one aligned doubleword. Any other, and
 * any beyond the end, reads as all ones, and its write is lost: so a conventional function's
 * extended space looks absent, as on QEMU.
 *
 * <p>Not thread-safe: the owner serialises.
 */
public final class ConfigSpace {
  /** PCI Local Bus 3.0, 6.1: a conventional function's 256 bytes. */
  public static final int CONVENTIONAL_BYTES = 256;

  /** PCI Express Base 3.0, 7.2.2: a PCI Express function's 4096 bytes. */
  public static final int EXPRESS_BYTES = 4096;

  private final byte[] bytes;
  private final byte[] initial;
  private final byte[] writable;
  private final byte[] clearable;
  private final List<RegisterRule> rules = new ArrayList<>();

  /**
   * All zero, all read-only.
   *
   * @throws IllegalArgumentException if {@code size} is neither of the two sizes above
   */
  public ConfigSpace(int size) {
    if (size != CONVENTIONAL_BYTES && size != EXPRESS_BYTES) {
      throw new IllegalArgumentException("configuration space of 256 or 4096 bytes, not " + size);
    }
    bytes = new byte[size];
    initial = new byte[size];
    writable = new byte[size];
    clearable = new byte[size];
  }

  /** 256 or 4096. */
  public int size() {
    return bytes.length;
  }

  /** Every rule declared so far, in the order of declaration. */
  public List<RegisterRule> rules() {
    return Collections.unmodifiableList(rules);
  }

  // ---- building

  /** Stores a value that a reset restores. */
  public void initialize(int offset, int width, long value) {
    store(offset, width, value);
    System.arraycopy(bytes, offset, initial, offset, width);
  }

  /** Adds a rule; a bit's last rule holds. */
  public void declare(RegisterRule rule) {
    for (int i = 0; i < rule.width(); i++) {
      int at = rule.offset() + i;
      byte mask = (byte) (rule.mask() >>> i * 8);
      writable[at] &= (byte) ~mask;
      clearable[at] &= (byte) ~mask;
      switch (rule.kind()) {
        case READ_ONLY -> {}
        case READ_WRITE -> writable[at] |= mask;
        case WRITE_1_TO_CLEAR -> clearable[at] |= mask;
      }
    }
    rules.add(rule);
  }

  /** Adds each rule of a table. */
  public void declare(List<RegisterRule> table) {
    table.forEach(this::declare);
  }

  // ---- the bus's side

  /** Reads as a configuration read cycle does. */
  public long read(int offset, int width) {
    return answers(offset, width) ? load(offset, width) : allOnes(width);
  }

  /** Writes as a configuration write cycle does: by the rules, byte lane by byte lane. */
  public void write(int offset, int width, long value) {
    if (!answers(offset, width)) {
      return;
    }
    for (int i = 0; i < width; i++) {
      int at = offset + i;
      int written = (int) (value >>> i * 8) & 0xff;
      int kept = bytes[at] & ~writable[at] & ~(written & clearable[at]);
      bytes[at] = (byte) (kept | written & writable[at]);
    }
  }

  /** Whether a bus access of this shape is answered at all. */
  public boolean answers(int offset, int width) {
    return (width == 1 || width == 2 || width == 4)
        && offset >= 0
        && offset < bytes.length
        && (offset & 3) + width <= 4;
  }

  /** What an access of {@code width} bytes reads where nobody answers. */
  public static long allOnes(int width) {
    return width >= 8 ? -1L : (1L << width * 8) - 1;
  }

  // ---- the function's side

  /** Loads a register of 1, 2, 4 or 8 bytes. */
  public long load(int offset, int width) {
    long value = 0;
    for (int i = width - 1; i >= 0; i--) {
      value = value << 8 | bytes[offset + i] & 0xff;
    }
    return value;
  }

  /** Stores a register of 1, 2, 4 or 8 bytes, whatever its kind. */
  public void store(int offset, int width, long value) {
    for (int i = 0; i < width; i++) {
      bytes[offset + i] = (byte) (value >>> i * 8);
    }
  }

  /** Every register as it was {@linkplain #initialize initialised}. */
  public void reset() {
    System.arraycopy(initial, 0, bytes, 0, bytes.length);
  }

  /** A copy of all bytes, as a dump shows them. */
  public byte[] toBytes() {
    return Arrays.copyOf(bytes, bytes.length);
  }
}
