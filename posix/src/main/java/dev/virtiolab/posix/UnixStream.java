package dev.virtiolab.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * A connected unix(7) stream socket over which descriptors can be passed (SCM_RIGHTS).
 *
 * <p>Descriptors travel with the first byte of the {@link #send} that carried them. A {@link
 * #receive} that reaches them may begin before that byte, and ends with the last byte of that send
 * at the latest: who asks for a message's bytes and no more gets that message's descriptors and no
 * others.
 *
 * <p>{@link #send} and {@link #receive} do not block, allocate nothing, and report errors as
 * negative numbers of {@link Errno}. One thread sends, one receives; they may be two.
 */
public final class UnixStream implements AutoCloseable {
  /** The most descriptors that Linux passes at once: SCM_MAX_FD. */
  public static final int MAX_FDS = 253;

  // struct iovec { void *iov_base; size_t iov_len; }
  private static final int IOV_BASE = 0;
  private static final int IOV_LEN = 8;
  private static final int IOVEC_BYTES = 16;

  // struct msghdr, 64 bits: name, namelen, iov, iovlen, control, controllen, flags
  private static final int MSG_IOV = 16;
  private static final int MSG_IOVLEN = 24;
  private static final int MSG_CONTROL = 32;
  private static final int MSG_CONTROLLEN = 40;
  private static final int MSG_FLAGS = 48;
  private static final int MSGHDR_BYTES = 56;

  // struct cmsghdr, 64 bits: size_t len, int level, int type, then the data; aligned to 8
  private static final int CMSG_LEN = 0;
  private static final int CMSG_LEVEL = 8;
  private static final int CMSG_TYPE = 12;
  private static final int CMSG_DATA = 16;

  private static final int CONTROL_BYTES = align(CMSG_DATA + MAX_FDS * Integer.BYTES);

  private final OwnedFd fd;
  private final Message outgoing = new Message();
  private final Message incoming = new Message();

  /** A msghdr with one iovec and room for every descriptor there can be. */
  private static final class Message {
    final MemorySegment header;
    final MemorySegment vector;
    final MemorySegment control;

    Message() {
      MemorySegment all =
          Arena.ofAuto().allocate(MSGHDR_BYTES + IOVEC_BYTES + CONTROL_BYTES, Long.BYTES);
      header = all.asSlice(0, MSGHDR_BYTES);
      vector = all.asSlice(MSGHDR_BYTES, IOVEC_BYTES);
      control = all.asSlice(MSGHDR_BYTES + IOVEC_BYTES, CONTROL_BYTES);
      header.set(ValueLayout.JAVA_LONG, MSG_IOV, vector.address());
      header.set(ValueLayout.JAVA_LONG, MSG_IOVLEN, 1);
    }

    void point(long address, int length, long controlBytes) {
      vector.set(ValueLayout.JAVA_LONG, IOV_BASE, address);
      vector.set(ValueLayout.JAVA_LONG, IOV_LEN, length);
      header.set(ValueLayout.JAVA_LONG, MSG_CONTROL, controlBytes == 0 ? 0 : control.address());
      header.set(ValueLayout.JAVA_LONG, MSG_CONTROLLEN, controlBytes);
      header.set(ValueLayout.JAVA_INT, MSG_FLAGS, 0);
    }
  }

  UnixStream(OwnedFd fd) {
    this.fd = fd;
  }

  /**
   * Connects to the socket at {@code path}.
   *
   * @throws IllegalArgumentException if the path is empty or too long
   * @throws PosixException ENOENT, ECONNREFUSED (nobody listens), EACCES, EAGAIN (too many wait)
   */
  public static UnixStream connect(String path) {
    MemorySegment address = UnixAddress.of(path);
    OwnedFd fd = socket();
    if (LibC.connect(fd.number(), address.address(), (int) address.byteSize()) < 0) {
      int errno = LibC.errno();
      fd.close();
      throw new PosixException("connect to unix " + path, errno);
    }
    return new UnixStream(fd);
  }

  /**
   * Takes over one that a peer passed. Whoever else has it may change whether it blocks; {@link
   * #send} and {@link #receive} do not block all the same.
   *
   * @param fd owned by what is returned; closed if this throws
   * @throws BadDescriptorException EINVAL if it is no unix stream socket
   */
  public static UnixStream adopt(OwnedFd fd) throws BadDescriptorException {
    if (option(fd, LibC.SO_DOMAIN) == LibC.AF_UNIX
        && option(fd, LibC.SO_TYPE) == LibC.SOCK_STREAM) {
      return new UnixStream(fd);
    }
    fd.close();
    throw new BadDescriptorException(Errno.EINVAL, "the descriptor is no unix stream socket");
  }

  private static int option(OwnedFd fd, int option) {
    MemorySegment value = Arena.ofAuto().allocate(2 * Integer.BYTES, Long.BYTES);
    MemorySegment length = value.asSlice(Integer.BYTES);
    length.set(ValueLayout.JAVA_INT, 0, Integer.BYTES);
    int result =
        LibC.getsockopt(fd.number(), LibC.SOL_SOCKET, option, value.address(), length.address());
    return result < 0 ? -1 : value.get(ValueLayout.JAVA_INT, 0);
  }

  /** Two that are connected with each other. */
  public static UnixStream[] pair() {
    MemorySegment pair = Arena.ofAuto().allocate(2 * Integer.BYTES, Integer.BYTES);
    int type = LibC.SOCK_STREAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC;
    LibC.check(LibC.socketpair(LibC.AF_UNIX, type, 0, pair.address()), "socketpair");
    return new UnixStream[] {
      new UnixStream(new OwnedFd(pair.getAtIndex(ValueLayout.JAVA_INT, 0))),
      new UnixStream(new OwnedFd(pair.getAtIndex(ValueLayout.JAVA_INT, 1)))
    };
  }

  static OwnedFd socket() {
    int type = LibC.SOCK_STREAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC;
    return new OwnedFd(LibC.check(LibC.socket(LibC.AF_UNIX, type, 0), "socket"));
  }

  /** The descriptor, still owned by this object; readable while there are bytes, or at the end. */
  public int fd() {
    return fd.number();
  }

  /**
   * Reads what there is, and takes over the descriptors that came with it, which are closed on
   * exec.
   *
   * @param buffer native memory
   * @param length at least 1
   * @param passed where the descriptors go, after those that it holds
   * @return bytes, at least 1; 0 at the end; or a negative number of {@link Errno}, {@code -EAGAIN}
   *     if there is nothing yet
   */
  public int receive(MemorySegment buffer, long offset, int length, PassedFds passed) {
    incoming.point(address(buffer, offset, length), length, CONTROL_BYTES);
    long result =
        LibC.recvmsg(
            fd.number(), incoming.header.address(), LibC.MSG_CMSG_CLOEXEC | LibC.MSG_DONTWAIT);
    if (result < 0) {
      return -LibC.errno();
    }
    takeDescriptors(passed);
    return (int) result;
  }

  private void takeDescriptors(PassedFds passed) {
    // MSG_CTRUNC: the limit of open files was met. What the kernel did hand over is here all the
    // same, and would stay open for ever if nobody closed it.
    if ((incoming.header.get(ValueLayout.JAVA_INT, MSG_FLAGS) & LibC.MSG_CTRUNC) != 0) {
      passed.noteOverflow();
    }
    long end = incoming.header.get(ValueLayout.JAVA_LONG, MSG_CONTROLLEN);
    long at = 0;
    while (at + CMSG_DATA <= end) {
      long bytes = incoming.control.get(ValueLayout.JAVA_LONG, at + CMSG_LEN);
      if (bytes < CMSG_DATA || bytes > end - at) {
        return; // the kernel writes no such thing
      }
      if (incoming.control.get(ValueLayout.JAVA_INT, at + CMSG_LEVEL) == LibC.SOL_SOCKET
          && incoming.control.get(ValueLayout.JAVA_INT, at + CMSG_TYPE) == LibC.SCM_RIGHTS) {
        for (long each = at + CMSG_DATA; each < at + bytes; each += Integer.BYTES) {
          passed.add(incoming.control.get(ValueLayout.JAVA_INT, each));
        }
      }
      at += align(bytes);
    }
  }

  /**
   * Sends what there is room for. Descriptors go with the first byte, so with any that is sent.
   *
   * @param buffer native memory
   * @param length at least 1
   * @param fds the caller's, who may close them afterwards; at most {@link #MAX_FDS}
   * @return bytes, at least 1; or a negative number of {@link Errno}, {@code -EAGAIN} if there is
   *     no room, {@code -EPIPE} if the peer is gone
   */
  public int send(MemorySegment buffer, long offset, int length, int... fds) {
    if (fds.length > MAX_FDS) {
      throw new IllegalArgumentException(fds.length + " descriptors; Linux passes " + MAX_FDS);
    }
    int dataBytes = fds.length * Integer.BYTES;
    int controlBytes = fds.length == 0 ? 0 : align(CMSG_DATA + dataBytes);
    outgoing.point(address(buffer, offset, length), length, controlBytes);
    if (fds.length != 0) {
      outgoing.control.set(ValueLayout.JAVA_LONG, CMSG_LEN, CMSG_DATA + dataBytes);
      outgoing.control.set(ValueLayout.JAVA_INT, CMSG_LEVEL, LibC.SOL_SOCKET);
      outgoing.control.set(ValueLayout.JAVA_INT, CMSG_TYPE, LibC.SCM_RIGHTS);
      MemorySegment.copy(fds, 0, outgoing.control, ValueLayout.JAVA_INT, CMSG_DATA, fds.length);
    }
    long result =
        LibC.sendmsg(fd.number(), outgoing.header.address(), LibC.MSG_NOSIGNAL | LibC.MSG_DONTWAIT);
    return result >= 0 ? (int) result : -LibC.errno();
  }

  /**
   * Ends it both ways: {@link #receive} here and at the peer finds the end after what has arrived
   * before, {@link #send} fails. Any thread, while nobody closes it.
   */
  public void shutdown() {
    LibC.shutdown(fd.number(), LibC.SHUT_RDWR); // ENOTCONN: the peer has done so
  }

  /** Closes the socket; nobody may be using it. A second call does nothing. */
  @Override
  public void close() {
    fd.close();
  }

  private static int align(int bytes) {
    return bytes + 7 & -8;
  }

  private static long align(long bytes) {
    return bytes + 7 & -8;
  }

  private static long address(MemorySegment buffer, long offset, int length) {
    Objects.checkFromIndexSize(offset, length, buffer.byteSize());
    if (!buffer.isNative() || length == 0) {
      throw new IllegalArgumentException("the kernel needs native memory, one byte at least");
    }
    return buffer.address() + offset;
  }
}
