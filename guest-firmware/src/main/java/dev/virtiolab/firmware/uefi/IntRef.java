package dev.virtiolab.firmware.uefi;

/** An output parameter of type {@code int}, reusable by its owner. */
public final class IntRef {
  public int value;

  public IntRef() {}

  public IntRef(int value) {
    this.value = value;
  }
}
