package dev.virtiolab.posix;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Memory with a file descriptor: memfd_create(2). Another process that is handed the descriptor
 * maps the same bytes.
 *
 * <p>The size is sealed: nobody, this process included, can shrink the file under a map, which
 * would kill whoever touches it. Pages are zero and take no memory until touched.
 */
public final class MemFd implements AutoCloseable {
  private final OwnedFd fd;
  private final long bytes;

  private MemFd(OwnedFd fd, long bytes) {
    this.fd = fd;
    this.bytes = bytes;
  }

  /**
   * Makes an anonymous file.
   *
   * @param name what /proc shows for it
   * @param bytes its size for ever, at least 1
   * @throws PosixException if the kernel refuses
   */
  public static MemFd create(String name, long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException("a memfd needs at least 1 byte, got " + bytes);
    }
    OwnedFd fd =
        new OwnedFd(
            LibC.check(
                LibC.memfd_create(name, LibC.MFD_CLOEXEC | LibC.MFD_ALLOW_SEALING),
                "memfd_create " + name));
    try {
      LibC.check(LibC.ftruncate(fd.number(), bytes), "ftruncate " + name + " to " + bytes);
      LibC.check(
          LibC.fcntl(fd.number(), LibC.F_ADD_SEALS, LibC.F_SEAL_SHRINK | LibC.F_SEAL_GROW),
          "seal " + name);
    } catch (PosixException e) {
      fd.close();
      throw e;
    }
    return new MemFd(fd, bytes);
  }

  /** The descriptor, still owned by this object. */
  public int fd() {
    return fd.number();
  }

  /** Size in bytes. */
  public long bytes() {
    return bytes;
  }

  /**
   * Maps the whole file, readable and writable. The map lives as long as {@code arena}, whether or
   * not this object is closed before.
   */
  public MemorySegment map(Arena arena) {
    Path path = Path.of("/proc/self/fd/" + fd.number());
    try (FileChannel channel =
        FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot map " + bytes + " bytes of " + path, e);
    }
  }

  /** Closes the descriptor; maps stay. A second call does nothing. */
  @Override
  public void close() {
    fd.close();
  }
}
