package dev.virtiolab.posix;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Memory of another process, by a descriptor that it passed: the whole file is mapped, readable and
 * writable, from {@link #map} to {@link #close()}.
 *
 * <p>A file that shrinks under its map cannot be survived: an access beyond its end ends the Java
 * virtual machine. So a file is taken only if it bears F_SEAL_SHRINK, which nobody can take back,
 * or if the caller trusts its owner and says so.
 *
 * <p>After {@link #close()} an access to {@link #segment()} throws; whoever closes sees to it that
 * nobody accesses it any more.
 */
public final class ForeignMemory implements AutoCloseable {
  // struct statx, the same on every architecture
  private static final int STATX_BYTES = 256;
  private static final int STX_MODE = 28;
  private static final int STX_INO = 32;
  private static final int STX_SIZE = 40;
  private static final int STX_DEV_MAJOR = 136;
  private static final int STX_DEV_MINOR = 140;
  private static final int STATX_BASIC_STATS = 0x7ff;

  private static final int FILE_TYPE = 0170000;
  private static final int REGULAR = 0100000;

  /**
   * Which file it is: the same for every descriptor of one file, whoever opened it.
   *
   * @param bytes its size
   */
  public record Identity(long device, long inode, long bytes) {}

  private final Identity identity;
  private final Arena arena;
  private final MemorySegment segment;

  private ForeignMemory(Identity identity, Arena arena, MemorySegment segment) {
    this.identity = identity;
    this.arena = arena;
    this.segment = segment;
  }

  /**
   * What file {@code fd} is.
   *
   * @throws BadDescriptorException EINVAL if it is none that could be memory: a socket, a pipe, an
   *     eventfd, a device, an empty file
   */
  public static Identity identify(OwnedFd fd) throws BadDescriptorException {
    MemorySegment stat = Arena.ofAuto().allocate(STATX_BYTES, Long.BYTES);
    int result = LibC.statx(fd.number(), "", LibC.AT_EMPTY_PATH, STATX_BASIC_STATS, stat.address());
    if (result < 0) {
      int errno = LibC.errno();
      throw new BadDescriptorException(errno, "statx: " + Errno.text(errno));
    }
    long bytes = stat.get(ValueLayout.JAVA_LONG, STX_SIZE);
    if ((stat.get(ValueLayout.JAVA_SHORT, STX_MODE) & FILE_TYPE) != REGULAR || bytes <= 0) {
      throw new BadDescriptorException(Errno.EINVAL, "the descriptor is no memory");
    }
    long device =
        Integer.toUnsignedLong(stat.get(ValueLayout.JAVA_INT, STX_DEV_MAJOR)) << 32
            | Integer.toUnsignedLong(stat.get(ValueLayout.JAVA_INT, STX_DEV_MINOR));
    return new Identity(device, stat.get(ValueLayout.JAVA_LONG, STX_INO), bytes);
  }

  /**
   * Maps the whole file. {@code fd} stays the caller's, who may close it at once: the map keeps the
   * file.
   *
   * @param allowUnsealed whether to take a file that its owner could shrink, and thereby end this
   *     process
   * @throws BadDescriptorException EINVAL if it is no memory; EPERM if it is not sealed, or may not
   *     be written; ENOMEM if it cannot be mapped
   */
  public static ForeignMemory map(OwnedFd fd, boolean allowUnsealed) throws BadDescriptorException {
    if (!allowUnsealed && !isSealed(fd)) {
      identify(fd); // says of what is no memory at all that it is none
      throw new BadDescriptorException(
          Errno.EPERM, "its owner could shrink the memory: it does not bear F_SEAL_SHRINK");
    }
    // Looked at after the seal: from then on it cannot become smaller.
    Identity identity = identify(fd);
    Arena arena = Arena.ofShared();
    Path path = Path.of("/proc/self/fd/" + fd.number());
    try (FileChannel channel =
        FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MemorySegment segment =
          channel.map(FileChannel.MapMode.READ_WRITE, 0, identity.bytes(), arena);
      return new ForeignMemory(identity, arena, segment);
    } catch (IOException e) {
      arena.close();
      boolean denied = e instanceof FileSystemException;
      throw new BadDescriptorException(
          denied ? Errno.EPERM : Errno.ENOMEM,
          "cannot map " + identity.bytes() + " bytes: " + e.getMessage(),
          e);
    }
  }

  private static boolean isSealed(OwnedFd fd) {
    // EINVAL for what knows no seals: a file on a disk, a socket.
    int seals = LibC.fcntl(fd.number(), LibC.F_GET_SEALS, 0);
    return seals >= 0 && (seals & LibC.F_SEAL_SHRINK) != 0;
  }

  public Identity identity() {
    return identity;
  }

  /** Its bytes, from the file's first to its last; dead after {@link #close()}. */
  public MemorySegment segment() {
    return segment;
  }

  /** Unmaps it; a second call does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
