package dev.virtiolab.posix;

import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Runs another program in place of this process: execvp(3). */
public final class Exec {
  private static final int FIRST_OF_OURS = 3;

  private Exec() {}

  /**
   * Becomes another program, with the same process id, environment, standard streams and user. No
   * other descriptor is passed on but those that are named. The program starts with no signal
   * blocked: the JVM blocks SIGQUIT in its threads, and a mask survives execve(2).
   *
   * @param argv the program, searched for in PATH where it has no slash, and its arguments
   * @param handedOn descriptors that the program gets as well, under the same numbers
   * @throws PosixException always, if it returns at all: the program could not be started
   */
  public static void replace(List<String> argv, int... handedOn) {
    if (argv.isEmpty()) {
      throw new IllegalArgumentException("no program to run");
    }
    closeOnExec();
    for (int fd : handedOn) {
      LibC.check(LibC.fcntl(fd, LibC.F_SETFD, 0), "hand on a descriptor");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pointers = arena.allocate(ValueLayout.JAVA_LONG, argv.size() + 1L);
      for (int i = 0; i < argv.size(); i++) {
        MemorySegment argument = arena.allocateFrom(argv.get(i));
        pointers.setAtIndex(ValueLayout.JAVA_LONG, i, argument.address());
      }
      MemorySegment none = arena.allocate(LibC.SIGSET_BYTES, Long.BYTES);
      MemorySegment before = arena.allocate(LibC.SIGSET_BYTES, Long.BYTES);
      LibC.pthread_sigmask(LibC.SIG_SETMASK, none.address(), before.address());
      LibC.execvp(pointers.get(ValueLayout.JAVA_LONG, 0), pointers.address());
      int errno = LibC.errno();
      LibC.pthread_sigmask(LibC.SIG_SETMASK, before.address(), 0);
      throw new PosixException("exec " + argv.getFirst(), errno);
    }
  }

  private static void closeOnExec() {
    long done =
        LibC.syscall(LibC.SYS_CLOSE_RANGE, FIRST_OF_OURS, 0xffff_ffffL, LibC.CLOSE_RANGE_CLOEXEC);
    if (done < 0) {
      // Linux before 5.11, or a sandbox that does not know the call.
      closeOnExecOneByOne();
    }
  }

  /** Marks what /proc lists. The descriptor that lists is on the list too, and gone by then. */
  static void closeOnExecOneByOne() {
    String[] numbers = new File("/proc/self/fd").list();
    if (numbers == null) {
      throw new PosixException("list /proc/self/fd", Errno.ENOENT);
    }
    for (String number : numbers) {
      int fd = Integer.parseInt(number);
      if (fd >= FIRST_OF_OURS) {
        LibC.fcntl(fd, LibC.F_SETFD, LibC.FD_CLOEXEC);
      }
    }
  }
}
