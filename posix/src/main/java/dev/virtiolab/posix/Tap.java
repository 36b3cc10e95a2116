package dev.virtiolab.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A TAP interface: a network device of the kernel whose wire is a file descriptor. See
 * Documentation/networking/tuntap in the Linux source.
 *
 * <p>The interface lives in the network namespace of the thread that opened it, and is gone when
 * the descriptor is closed. One call reads or writes one Ethernet frame; none blocks.
 *
 * <p>{@link #read} and {@link #write} report errors as negative numbers of {@link Errno}, because
 * they run once per frame and the errors are part of a wire's life: {@code -EAGAIN} (no frame, no
 * room), {@code -EIO} (write: the interface is down), {@code -EBADFD} (the interface was deleted).
 */
public final class Tap implements AutoCloseable {
  /** The longest name of an interface, in bytes. */
  public static final int MAX_NAME_BYTES = 15;

  /** Where the kernel makes tun and tap interfaces. */
  public static final String DEVICE = "/dev/net/tun";

  // struct ifreq: char ifr_name[16]; short ifr_flags at 16; 40 bytes in all.
  private static final int IFREQ_BYTES = 40;
  private static final int IFR_FLAGS = 16;

  private static final short IFF_TAP = 0x0002;
  private static final short IFF_MULTI_QUEUE = 0x0100;
  private static final short IFF_ATTACH_QUEUE = 0x0200;
  private static final short IFF_DETACH_QUEUE = 0x0400;
  private static final short IFF_NO_PI = 0x1000;
  private static final short IFF_VNET_HDR = 0x4000;

  private static final long TUNSETIFF = 0x400454caL;
  private static final long TUNSETOFFLOAD = 0x400454d0L;
  private static final long TUNSETVNETHDRSZ = 0x400454d8L;
  private static final long TUNSETQUEUE = 0x400454d9L;

  /** MAX_TAP_QUEUES of the kernel. */
  public static final int MAX_QUEUES = 256;

  private final OwnedFd fd;
  private final String name;
  private final int vnetHeaderBytes;

  private Tap(OwnedFd fd, String name, int vnetHeaderBytes) {
    this.fd = fd;
    this.name = name;
    this.vnetHeaderBytes = vnetHeaderBytes;
  }

  /** Makes an interface that carries plain frames; see {@link #open(String, int)}. */
  public static Tap open(String name) {
    return open(name, 0);
  }

  /**
   * Makes an interface, or attaches to a persistent one of that name. It is down at first.
   *
   * @param name up to {@value #MAX_NAME_BYTES} bytes; empty, or one with {@code %d}, lets the
   *     kernel choose
   * @param vnetHeaderBytes 0 for plain frames; 10, 12 or 24 to have a struct virtio_net_hdr of that
   *     size before each frame in both directions
   * @throws PosixException ENOENT or EACCES where {@value #DEVICE} is missing or closed to the
   *     user, EPERM without CAP_NET_ADMIN, EBUSY where the name is taken, ENAMETOOLONG, EINVAL
   *     where it is no name for an interface
   */
  public static Tap open(String name, int vnetHeaderBytes) {
    return open(name, vnetHeaderBytes, 0);
  }

  /**
   * Makes an interface with several queues, each with a descriptor of its own: what is written to
   * one comes back, of the same flow, by that one. All of them are attached.
   *
   * <p>Otherwise as {@link #open(String, int)}; the interface is gone when the last is closed.
   *
   * @param queues from 1 to {@value #MAX_QUEUES}
   */
  public static List<Tap> openQueues(String name, int vnetHeaderBytes, int queues) {
    if (queues < 1 || queues > MAX_QUEUES) {
      throw new IllegalArgumentException("queues=" + queues + "; it is 1 to " + MAX_QUEUES);
    }
    List<Tap> opened = new ArrayList<>();
    try {
      for (int i = 0; i < queues; i++) {
        opened.add(open(i == 0 ? name : opened.getFirst().name, vnetHeaderBytes, IFF_MULTI_QUEUE));
      }
      return List.copyOf(opened);
    } catch (PosixException e) {
      opened.forEach(Tap::close);
      throw e;
    }
  }

  private static Tap open(String name, int vnetHeaderBytes, int furtherFlags) {
    String what = name.isEmpty() ? "tap" : "tap " + name;
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > MAX_NAME_BYTES) {
      // The kernel would cut it off, and the caller would look for an interface that is not there.
      throw new PosixException("create " + what, Errno.ENAMETOOLONG);
    }
    OwnedFd fd =
        new OwnedFd(
            LibC.check(
                LibC.open(DEVICE, LibC.O_RDWR | LibC.O_NONBLOCK | LibC.O_CLOEXEC),
                "open " + DEVICE));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment ifreq = arena.allocate(IFREQ_BYTES, Long.BYTES);
      MemorySegment.copy(bytes, 0, ifreq, ValueLayout.JAVA_BYTE, 0, bytes.length);
      int flags = IFF_TAP | IFF_NO_PI | (vnetHeaderBytes == 0 ? 0 : IFF_VNET_HDR) | furtherFlags;
      ifreq.set(ValueLayout.JAVA_SHORT, IFR_FLAGS, (short) flags);
      if (LibC.ioctl(fd.number(), TUNSETIFF, ifreq.address()) < 0) {
        int errno = LibC.errno();
        // The kernel says EINVAL where an interface that is no tap has the name.
        boolean taken = errno == Errno.EINVAL && LibC.if_nametoindex(name) != 0;
        throw new PosixException("create " + what, taken ? Errno.EBUSY : errno);
      }
      if (vnetHeaderBytes != 0) {
        MemorySegment size = arena.allocate(ValueLayout.JAVA_INT);
        size.set(ValueLayout.JAVA_INT, 0, vnetHeaderBytes);
        LibC.check(
            LibC.ioctl(fd.number(), TUNSETVNETHDRSZ, size.address()),
            "set a header of " + vnetHeaderBytes + " bytes on " + what);
      }
      return new Tap(fd, ifreq.getString(0), vnetHeaderBytes);
    } catch (PosixException e) {
      fd.close();
      throw e;
    }
  }

  /**
   * Says what the kernel may leave undone in frames that it sends; nothing at first. Only for an
   * interface with a header before each frame.
   *
   * @param bits TUN_F_CSUM and so on, of linux/if_tun.h
   * @return whether the kernel knows all of them, in this combination; else nothing has changed
   */
  public boolean offload(int bits) {
    return LibC.ioctl(fd.number(), TUNSETOFFLOAD, bits) == 0;
  }

  /**
   * Lets this queue, one of several, take part in what the kernel sends, or leaves it out; what
   * waits in it is then dropped. What is written to it is received in either case.
   *
   * @return whether that is so now; false where it was so before, where there is one queue only,
   *     and where the interface was deleted
   */
  public boolean attach(boolean on) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment ifreq = arena.allocate(IFREQ_BYTES, Long.BYTES);
      ifreq.set(ValueLayout.JAVA_SHORT, IFR_FLAGS, on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
      return LibC.ioctl(fd.number(), TUNSETQUEUE, ifreq.address()) == 0;
    }
  }

  /** The interface's name, as the kernel gave it. */
  public String name() {
    return name;
  }

  /** The descriptor, still owned by this object; readable while a frame waits. */
  public int fd() {
    return fd.number();
  }

  /** Bytes of virtio header before each frame; 0 for none. */
  public int vnetHeaderBytes() {
    return vnetHeaderBytes;
  }

  /**
   * Takes one frame that the kernel has sent. What does not fit is cut off, and the length returned
   * is what was stored.
   *
   * @param buffer native memory
   * @return bytes, or a negative number of {@link Errno}
   */
  public int read(MemorySegment buffer, long offset, int length) {
    long address = address(buffer, offset, length);
    long result = LibC.read(fd.number(), address, length);
    return result >= 0 ? (int) result : -LibC.errno();
  }

  /**
   * Hands one frame to the kernel.
   *
   * @param buffer native memory
   * @return bytes taken, always the whole frame; or a negative number of {@link Errno}
   */
  public int write(MemorySegment buffer, long offset, int length) {
    long address = address(buffer, offset, length);
    long result = LibC.write(fd.number(), address, length);
    return result >= 0 ? (int) result : -LibC.errno();
  }

  /** Closes the descriptor, and with it the interface. A second call does nothing. */
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
