package dev.virtiolab.posix;

import com.sun.jna.Native;

/**
 * The C library's functions, bound directly: no proxy, no reflection and no allocation per call.
 *
 * <p>Pointers and sizes are {@code long}. A caller that passes an address keeps the memory behind
 * it alive until the call returns. The variadic functions (open, fcntl, ioctl, syscall) are
 * declared with the arguments in use; on the 64-bit Linux ABIs these travel in the same registers
 * either way.
 */
final class LibC {
  static final int O_RDONLY = 0;
  static final int O_RDWR = 2;
  static final int O_NONBLOCK = 0x800;
  static final int O_CLOEXEC = 0x80000;

  static final int F_ADD_SEALS = 1033;
  static final int F_GET_SEALS = 1034;
  static final int F_SEAL_SHRINK = 2;
  static final int F_SEAL_GROW = 4;

  static final int MFD_CLOEXEC = 1;
  static final int MFD_ALLOW_SEALING = 2;

  static final int EFD_NONBLOCK = O_NONBLOCK;
  static final int EFD_CLOEXEC = O_CLOEXEC;

  static final int EPOLL_CLOEXEC = O_CLOEXEC;
  static final int EPOLL_CTL_ADD = 1;
  static final int EPOLL_CTL_DEL = 2;
  static final int EPOLLIN = 1;
  static final int EPOLLET = 1 << 31;

  static final int AF_UNIX = 1;
  static final int AF_INET = 2;
  static final int AF_INET6 = 10;
  static final int SOCK_STREAM = 1;
  static final int SOCK_DGRAM = 2;
  static final int SOCK_NONBLOCK = O_NONBLOCK;
  static final int SHUT_RDWR = 2;
  static final int SOCK_CLOEXEC = O_CLOEXEC;
  static final int MSG_CTRUNC = 0x8;
  static final int MSG_DONTWAIT = 0x40;
  static final int MSG_TRUNC = 0x20;
  static final int MSG_NOSIGNAL = 0x4000;
  static final int MSG_CMSG_CLOEXEC = 0x4000_0000;
  static final int SOL_SOCKET = 1;
  static final int SCM_RIGHTS = 1;
  static final int SO_REUSEADDR = 2;
  static final int SO_TYPE = 3;
  static final int SO_DOMAIN = 39;

  static final int AT_EMPTY_PATH = 0x1000;

  static final int F_GETFD = 1;
  static final int F_SETFD = 2;
  static final int F_SETFL = 4;
  static final int FD_CLOEXEC = 1;

  static final int CLONE_NEWNET = 0x40000000;

  /** Of preadv2(2): at once or not at all, whatever the descriptor's flags say. */
  static final int RWF_NOWAIT = 8;

  static final int SIG_SETMASK = 2;

  /** {@code sizeof(sigset_t)} in the C library; the kernel looks at the first 8 bytes. */
  static final int SIGSET_BYTES = 128;

  /** The same number on every architecture; glibc has a wrapper only since 2.34. */
  static final long SYS_CLOSE_RANGE = 436;

  static final long CLOSE_RANGE_CLOEXEC = 4;

  static {
    Native.register(LibC.class, "c");
  }

  private LibC() {}

  static native int open(String path, int flags);

  static native int close(int fd);

  static native long read(int fd, long buffer, long length);

  static native long preadv2(int fd, long vectors, int count, long offset, int flags);

  static native long write(int fd, long buffer, long length);

  static native int fcntl(int fd, int command, int argument);

  static native int ioctl(int fd, long request, long argument);

  static native int memfd_create(String name, int flags);

  static native int ftruncate(int fd, long length);

  static native int eventfd(int value, int flags);

  static native int epoll_create1(int flags);

  static native int epoll_ctl(int fd, int operation, int watched, long event);

  static native int epoll_wait(int fd, long events, int maximum, int timeoutMillis);

  static native int eventfd_write(int fd, long value);

  static native int ppoll(long fds, long count, long timeout, long signalMask);

  static native int socket(int domain, int type, int protocol);

  static native int socketpair(int domain, int type, int protocol, long pair);

  static native int bind(int fd, long address, int length);

  static native int connect(int fd, long address, int length);

  static native int listen(int fd, int backlog);

  static native int shutdown(int fd, int how);

  static native int accept4(int fd, long address, long addressLength, int flags);

  static native int setsockopt(int fd, int level, int option, long value, int length);

  static native int getsockopt(int fd, int level, int option, long value, long length);

  static native int getsockname(int fd, long address, long addressLength);

  static native long sendto(
      int fd, long buffer, long length, int flags, long address, int addressLength);

  static native long recvfrom(
      int fd, long buffer, long length, int flags, long address, long addressLength);

  static native long sendmsg(int fd, long message, int flags);

  static native long recvmsg(int fd, long message, int flags);

  static native int statx(int folder, String path, int flags, int mask, long buffer);

  static native int execvp(long file, long argv);

  static native int pthread_sigmask(int how, long set, long old);

  static native long syscall(long number, long first, long second, long third);

  static native int getuid();

  static native int unshare(int flags);

  static native int setns(int fd, int kind);

  static native int if_nametoindex(String name);

  /** The error number that the last call on this thread left. */
  static int errno() {
    return Native.getLastError();
  }

  /** Passes a result through, or throws what errno says of a negative one. */
  static int check(int result, String call) {
    if (result < 0) {
      throw new PosixException(call, errno());
    }
    return result;
  }
}
