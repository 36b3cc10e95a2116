package dev.virtiolab.pci.function;

import dev.virtiolab.pci.config.ConfigSpace;

/**
 * One base address register, and where it decodes at present.
 *
 * <p>The address is published by the function under its lock and read by anybody without it.
 */
public final class Bar {
  /** {@link #address()} of a BAR that decodes nothing. */
  public static final long UNMAPPED = -1;

  private final int index;
  private final BarType type;
  private final long bytes;
  private final BarHandler handler;
  private volatile long address = UNMAPPED;

  Bar(int index, BarType type, long bytes, BarHandler handler) {
    this.index = index;
    this.type = type;
    this.bytes = bytes;
    this.handler = handler;
  }

  /** 0 to 5; a 64-bit BAR takes the next index too. */
  public int index() {
    return index;
  }

  public BarType type() {
    return type;
  }

  /** Size, a power of two: of memory at least 16, of ports 4 to 256. */
  public long bytes() {
    return bytes;
  }

  /**
   * First address, or port, that the function decodes, or {@link #UNMAPPED} while memory space, or
   * I/O space, is disabled or the function is not in D0. Whether an access gets here is for the
   * bridges above to say.
   */
  public long address() {
    return address;
  }

  /**
   * Reads {@code width} bytes at {@code offset}, whether or not the BAR decodes. Beyond the end, or
   * at a width that does not exist, all ones.
   */
  public long read(long offset, int width) {
    return answers(offset, width) ? handler.read(offset, width) : ConfigSpace.allOnes(width);
  }

  /** Writes likewise; beyond the end, or at a width that does not exist, the write is lost. */
  public void write(long offset, int width, long value) {
    if (answers(offset, width)) {
      handler.write(offset, width, value);
    }
  }

  /** Whether such an access may wait for the function's lock. */
  public boolean mayWait(long offset, int width, boolean write) {
    return handler.mayWait(offset, width, write);
  }

  private boolean answers(long offset, int width) {
    boolean exists = width == 1 || width == 2 || width == 4 || width == 8;
    return exists && offset >= 0 && offset <= bytes - width;
  }

  /**
   * @return whether this is a change
   */
  boolean decodeAt(long newAddress) {
    if (newAddress == address) {
      return false;
    }
    address = newAddress;
    return true;
  }

  @Override
  public String toString() {
    return "BAR" + index + " " + type + " bytes=0x" + Long.toHexString(bytes);
  }
}
