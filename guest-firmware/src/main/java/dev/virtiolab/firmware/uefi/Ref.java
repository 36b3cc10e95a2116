package dev.virtiolab.firmware.uefi;

/** An output parameter, reusable by its owner. */
public final class Ref<T> {
  public T value;

  public Ref() {}

  public Ref(T value) {
    this.value = value;
  }
}
