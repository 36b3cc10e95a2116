package dev.virtiolab.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/** The address of a unix socket in the file system: unix(7). */
final class UnixAddress {
  /** The longest path, in bytes: sun_path without its NUL. */
  static final int MAX_PATH_BYTES = 107;

  // struct sockaddr_un { sa_family_t family; char path[108]; }
  private static final int FAMILY = 0;
  private static final int PATH = 2;

  /** Of the longest address. */
  static final int MAX_BYTES = PATH + MAX_PATH_BYTES + 1;

  private UnixAddress() {}

  /**
   * The address of {@code path}, in memory that the collector frees.
   *
   * @throws IllegalArgumentException if it is empty or longer than {@value #MAX_PATH_BYTES} bytes
   */
  static MemorySegment of(String path) {
    byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
    if (bytes.length == 0 || bytes.length > MAX_PATH_BYTES) {
      throw new IllegalArgumentException(
          "a path of " + bytes.length + " bytes; it has from 1 to " + MAX_PATH_BYTES);
    }
    MemorySegment sockaddr = Arena.ofAuto().allocate(PATH + bytes.length + 1L, Long.BYTES);
    sockaddr.set(ValueLayout.JAVA_SHORT, FAMILY, (short) LibC.AF_UNIX);
    MemorySegment.copy(bytes, 0, sockaddr, ValueLayout.JAVA_BYTE, PATH, bytes.length);
    return sockaddr;
  }
}
