package dev.virtiolab.pci.function;

/**
 * What happens around a configuration access that touches a capability's bytes. Both are called
 * with the function's lock held.
 */
public interface ConfigHook {
  /** For a capability that is only bytes. */
  ConfigHook NONE = new ConfigHook() {};

  /** Before {@code [offset, offset + width)} is read: time to refresh the bytes. */
  default void beforeRead(int offset, int width) {}

  /** After {@code [offset, offset + width)} was written by the rules. */
  default void afterWrite(int offset, int width) {}
}
