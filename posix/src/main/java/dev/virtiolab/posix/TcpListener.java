package dev.virtiolab.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.Inet4Address;
import java.net.InetSocketAddress;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * A TCP socket that listens, and can be handed to the program that takes this process's place: it
 * stays in the network namespace in which it was made. Java's own sockets cannot be handed on.
 *
 * <p>One thread uses it and the connections that it accepts.
 */
public final class TcpListener implements AutoCloseable {
  private static final int BACKLOG = 16;

  // struct sockaddr_in { sa_family_t family; in_port_t port; struct in_addr addr; char zero[8]; }
  // struct sockaddr_in6 { family; port; uint32_t flowinfo; struct in6_addr addr; uint32_t scope; }
  private static final int FAMILY = 0;
  private static final int PORT = 2;
  private static final int ADDRESS = 4;
  private static final int ADDRESS6 = 8;
  private static final int SOCKADDR_IN_BYTES = 16;
  private static final int SOCKADDR_IN6_BYTES = 28;

  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  /** An accepted connection; its calls do not block. */
  public static final class Connection implements AutoCloseable {
    private final OwnedFd fd;

    private Connection(OwnedFd fd) {
      this.fd = fd;
    }

    /** The descriptor, still owned by this object. */
    public int fd() {
      return fd.number();
    }

    /**
     * Reads what there is.
     *
     * @param buffer native memory
     * @return bytes; 0 at the end; or a negative number of {@link Errno}, {@code -EAGAIN} if there
     *     is nothing yet
     */
    public int read(MemorySegment buffer, long offset, int length) {
      long result = LibC.read(fd.number(), address(buffer, offset, length), length);
      return result >= 0 ? (int) result : -LibC.errno();
    }

    /**
     * Writes what there is room for.
     *
     * @param buffer native memory
     * @return bytes; or a negative number of {@link Errno}, {@code -EAGAIN} if there is no room
     */
    public int write(MemorySegment buffer, long offset, int length) {
      long at = address(buffer, offset, length);
      long result = LibC.sendto(fd.number(), at, length, LibC.MSG_NOSIGNAL, 0, 0);
      return result >= 0 ? (int) result : -LibC.errno();
    }

    @Override
    public void close() {
      fd.close();
    }

    private static long address(MemorySegment buffer, long offset, int length) {
      Objects.checkFromIndexSize(offset, length, buffer.byteSize());
      if (!buffer.isNative()) {
        throw new IllegalArgumentException("the kernel needs native memory");
      }
      return buffer.address() + offset;
    }
  }

  private final OwnedFd fd;

  private TcpListener(OwnedFd fd) {
    this.fd = fd;
  }

  /**
   * Listens.
   *
   * @param address where; port 0 is any that is free
   * @throws IllegalArgumentException if it is not resolved
   * @throws PosixException EADDRINUSE, EADDRNOTAVAIL, EACCES (a port below 1024)
   */
  public static TcpListener listen(InetSocketAddress address) {
    MemorySegment where = sockaddr(address);
    int family = where.byteSize() == SOCKADDR_IN_BYTES ? LibC.AF_INET : LibC.AF_INET6;
    int type = LibC.SOCK_STREAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC;
    OwnedFd fd = new OwnedFd(LibC.check(LibC.socket(family, type, 0), "socket"));
    try {
      MemorySegment on = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_INT, 1);
      LibC.check(
          LibC.setsockopt(
              fd.number(), LibC.SOL_SOCKET, LibC.SO_REUSEADDR, on.address(), Integer.BYTES),
          "setsockopt");
      String what = "listen at " + address.getHostString() + ":" + address.getPort();
      LibC.check(LibC.bind(fd.number(), where.address(), (int) where.byteSize()), what);
      LibC.check(LibC.listen(fd.number(), BACKLOG), what);
      return new TcpListener(fd);
    } catch (PosixException e) {
      fd.close();
      throw e;
    }
  }

  /**
   * Takes over a listener that the program before this one in the process has {@linkplain
   * Exec#replace handed on}.
   *
   * @param number its descriptor
   * @throws PosixException EBADF if it is none
   */
  public static TcpListener adopt(int number) {
    LibC.check(LibC.fcntl(number, LibC.F_SETFD, LibC.FD_CLOEXEC), "adopt a listener");
    return new TcpListener(new OwnedFd(number));
  }

  /** The descriptor, still owned by this object; readable while somebody wants to connect. */
  public int fd() {
    return fd.number();
  }

  /** The port that it listens at. */
  public int port() {
    MemorySegment name = Arena.ofAuto().allocate(SOCKADDR_IN6_BYTES, Long.BYTES);
    MemorySegment length = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_INT, SOCKADDR_IN6_BYTES);
    LibC.check(LibC.getsockname(fd.number(), name.address(), length.address()), "getsockname");
    return Short.toUnsignedInt(name.get(BE16, PORT));
  }

  /** The next connection; null if there is none now. */
  public Connection accept() {
    int number = LibC.accept4(fd.number(), 0, 0, LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC);
    // Whatever the reason, it is the peer's: it is gone already, or there are too many.
    return number < 0 ? null : new Connection(new OwnedFd(number));
  }

  /** Stops listening; a second call does nothing. */
  @Override
  public void close() {
    fd.close();
  }

  private static MemorySegment sockaddr(InetSocketAddress address) {
    if (address.getAddress() == null) {
      throw new IllegalArgumentException(address + " is not resolved");
    }
    byte[] octets = address.getAddress().getAddress();
    boolean v4 = address.getAddress() instanceof Inet4Address;
    MemorySegment sockaddr =
        Arena.ofAuto().allocate(v4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES, Long.BYTES);
    sockaddr.set(ValueLayout.JAVA_SHORT, FAMILY, (short) (v4 ? LibC.AF_INET : LibC.AF_INET6));
    sockaddr.set(BE16, PORT, (short) address.getPort());
    MemorySegment.copy(
        octets, 0, sockaddr, ValueLayout.JAVA_BYTE, v4 ? ADDRESS : ADDRESS6, octets.length);
    return sockaddr;
  }
}
