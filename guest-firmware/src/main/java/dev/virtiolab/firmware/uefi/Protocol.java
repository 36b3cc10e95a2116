package dev.virtiolab.firmware.uefi;

import java.util.UUID;

/**
 * The name of a protocol: its GUID, and the Java type of its interface.
 *
 * @param guid as in the specification that defines the protocol
 * @param name for people
 * @param type of the interface that a handle carries under this name
 */
public record Protocol<T>(UUID guid, String name, Class<T> type) {

  public static <T> Protocol<T> of(String guid, String name, Class<T> type) {
    return new Protocol<>(UUID.fromString(guid), name, type);
  }

  @Override
  public String toString() {
    return name;
  }
}
