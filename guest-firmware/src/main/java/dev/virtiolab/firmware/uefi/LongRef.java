package dev.virtiolab.firmware.uefi;

/** An output parameter of type {@code long}, reusable by its owner. */
public final class LongRef {
  public long value;

  public LongRef() {}

  public LongRef(long value) {
    this.value = value;
  }
}
