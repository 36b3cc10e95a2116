package dev.virtiolab.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.Inet4Address;
import java.net.InetSocketAddress;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * A datagram socket that speaks with one peer: udp(7) over IPv4, or unix(7).
 *
 * <p>It is bound and never connected, since connecting has effects that a wire must not have: a
 * connected unix socket forgets what it has received when its peer goes, and a peer that starts
 * anew would be refused until something was sent to it. So anybody may send to it, and {@link
 * #fromPeer} says whether a datagram came from the peer.
 *
 * <p>{@link #send} and {@link #receive} do not block, allocate nothing, and report errors as
 * negative numbers of {@link Errno}. One thread uses a socket, another may {@link #awaitRoom}.
 */
public final class DatagramSocket implements AutoCloseable {
  /** The longest path of a unix socket, in bytes: sun_path without its NUL. */
  public static final int MAX_PATH_BYTES = UnixAddress.MAX_PATH_BYTES;

  // struct sockaddr_in { sa_family_t family; in_port_t port; struct in_addr addr; char zero[8]; }
  private static final int FAMILY = 0;
  private static final int PORT = 2;
  private static final int ADDRESS = 4;
  private static final int SOCKADDR_IN_BYTES = 16;

  private static final int SOCKADDR_MAX_BYTES = UnixAddress.MAX_BYTES;

  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private final OwnedFd fd;
  private final OwnedFd probe;
  private final EventFd stop = EventFd.create();
  private final Poll ownRoom = new Poll(2);
  private final Poll peersRoom = new Poll(2);

  private final MemorySegment remote;
  private final int remoteBytes;
  private final MemorySegment source = Arena.ofAuto().allocate(SOCKADDR_MAX_BYTES, Long.BYTES);
  private final MemorySegment sourceBytes = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);

  private DatagramSocket(OwnedFd fd, OwnedFd probe, MemorySegment remote) {
    this.fd = fd;
    this.probe = probe;
    this.remote = remote;
    remoteBytes = (int) remote.byteSize();
    ownRoom.add(stop.fd());
    ownRoom.addWritable(fd.number());
    peersRoom.add(stop.fd());
    peersRoom.addWritable(probe == null ? -1 : probe.number());
  }

  /**
   * A UDP socket.
   *
   * @param local where it is bound; port 0 is any that is free
   * @param remote the peer
   * @throws IllegalArgumentException if an address is not resolved, or not of IPv4
   * @throws PosixException EADDRINUSE, EADDRNOTAVAIL, EACCES (a port below 1024)
   */
  public static DatagramSocket udp(InetSocketAddress local, InetSocketAddress remote) {
    MemorySegment here = sockaddr(local);
    MemorySegment there = sockaddr(remote);
    OwnedFd fd = socket(LibC.AF_INET);
    bind(fd, here, "bind udp " + local.getHostString() + ":" + local.getPort());
    return new DatagramSocket(fd, null, there);
  }

  /**
   * A unix socket. Its file is made here; removing it, before or after, is the caller's.
   *
   * @param local path of its file
   * @param remote path of the peer's, as the peer gave it to bind(2)
   * @throws IllegalArgumentException if a path is empty or longer than {@value #MAX_PATH_BYTES}
   *     bytes
   * @throws PosixException EADDRINUSE where the file exists, ENOENT, EACCES
   */
  public static DatagramSocket unix(String local, String remote) {
    MemorySegment here = UnixAddress.of(local);
    MemorySegment there = UnixAddress.of(remote);
    OwnedFd fd = socket(LibC.AF_UNIX);
    bind(fd, here, "bind unix " + local);
    return new DatagramSocket(fd, socket(LibC.AF_UNIX), there);
  }

  /** Whether a process has a datagram socket bound at {@code path}. */
  public static boolean isBound(String path) {
    MemorySegment address = UnixAddress.of(path);
    try (OwnedFd asking = socket(LibC.AF_UNIX)) {
      // ECONNREFUSED: a file that nobody holds. Anything else, EPERM for one: somebody does.
      return LibC.connect(asking.number(), address.address(), (int) address.byteSize()) == 0
          || LibC.errno() != Errno.ECONNREFUSED && LibC.errno() != Errno.ENOENT;
    }
  }

  /** The descriptor, still owned by this object; readable while a datagram waits. */
  public int fd() {
    return fd.number();
  }

  /**
   * Sends one datagram to the peer.
   *
   * @param buffer native memory
   * @return {@code length}; or {@code -EAGAIN} (no room: see {@link #awaitRoom}), for a unix socket
   *     {@code -ENOENT} or {@code -ECONNREFUSED} (nobody is there), {@code -EMSGSIZE}, and others
   */
  public int send(MemorySegment buffer, long offset, int length) {
    long at = address(buffer, offset, length);
    long result = LibC.sendto(fd.number(), at, length, 0, remote.address(), remoteBytes);
    return result >= 0 ? (int) result : -LibC.errno();
  }

  /**
   * Takes one datagram. What does not fit is cut off.
   *
   * @param buffer native memory
   * @return bytes that the datagram had, which may be 0, and more than {@code length}; or a
   *     negative number of {@link Errno}, {@code -EAGAIN} if there is none
   */
  public int receive(MemorySegment buffer, long offset, int length) {
    long at = address(buffer, offset, length);
    sourceBytes.set(ValueLayout.JAVA_INT, 0, SOCKADDR_MAX_BYTES);
    long result =
        LibC.recvfrom(
            fd.number(), at, length, LibC.MSG_TRUNC, source.address(), sourceBytes.address());
    return result >= 0 ? (int) result : -LibC.errno();
  }

  /** Whether the datagram that was received last came from the peer. */
  public boolean fromPeer() {
    return sourceBytes.get(ValueLayout.JAVA_INT, 0) == remoteBytes
        && MemorySegment.mismatch(source, 0, remoteBytes, remote, 0, remoteBytes) < 0;
  }

  /**
   * Waits until a {@link #send} that had no room may have some, or has another answer; or until
   * {@link #stopWaiting}. One thread, which need not be the one that sends.
   */
  public void awaitRoom() {
    ownRoom.await(Poll.FOREVER);
    if (ownRoom.readable(0) || probe == null) {
      return;
    }
    // The queue of a unix peer is seen only by poll(2) of a socket that is connected to it.
    if (LibC.connect(probe.number(), remote.address(), remoteBytes) == 0) {
      peersRoom.await(Poll.FOREVER);
    }
  }

  /** Ends {@link #awaitRoom}, now and for ever. Any thread. */
  public void stopWaiting() {
    stop.signal();
  }

  /** Closes the socket; nobody may be using it. A second call does nothing. */
  @Override
  public void close() {
    fd.close();
    if (probe != null) {
      probe.close();
    }
    stop.close();
    ownRoom.close();
    peersRoom.close();
  }

  private static OwnedFd socket(int family) {
    int type = LibC.SOCK_DGRAM | LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC;
    return new OwnedFd(LibC.check(LibC.socket(family, type, 0), "socket"));
  }

  private static void bind(OwnedFd fd, MemorySegment address, String what) {
    if (LibC.bind(fd.number(), address.address(), (int) address.byteSize()) < 0) {
      int errno = LibC.errno();
      fd.close();
      throw new PosixException(what, errno);
    }
  }

  private static MemorySegment sockaddr(InetSocketAddress address) {
    if (!(address.getAddress() instanceof Inet4Address inet4)) {
      throw new IllegalArgumentException(address + " is no address of IPv4");
    }
    MemorySegment sockaddr = Arena.ofAuto().allocate(SOCKADDR_IN_BYTES, Long.BYTES);
    sockaddr.set(ValueLayout.JAVA_SHORT, FAMILY, (short) LibC.AF_INET);
    sockaddr.set(BE16, PORT, (short) address.getPort());
    MemorySegment.copy(inet4.getAddress(), 0, sockaddr, ValueLayout.JAVA_BYTE, ADDRESS, 4);
    return sockaddr;
  }

  private static long address(MemorySegment buffer, long offset, int length) {
    Objects.checkFromIndexSize(offset, length, buffer.byteSize());
    if (!buffer.isNative()) {
      throw new IllegalArgumentException("the kernel needs native memory");
    }
    return buffer.address() + offset;
  }
}
