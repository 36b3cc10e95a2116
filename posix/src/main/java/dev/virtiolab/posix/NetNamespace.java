package dev.virtiolab.posix;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/**
 * A network namespace beside the process's own: see network_namespaces(7). It has no name and no
 * process of its own; the kernel takes it down once this object is closed, however that came about,
 * and no program and no TAP of it is left.
 *
 * <p>A network namespace is a thread's. Whoever wants to be inside is there on a thread made for
 * that, which ends afterwards: none that others use is ever elsewhere than they think.
 */
public final class NetNamespace implements AutoCloseable {
  /** Of the thread that opens it; /proc/self would be the main thread's. */
  private static final String OWN = "/proc/thread-self/ns/net";

  private final OwnedFd fd;

  private NetNamespace(OwnedFd fd) {
    this.fd = fd;
  }

  /**
   * Makes one, with nothing in it but a loopback interface that is down.
   *
   * @throws PosixException EPERM without CAP_SYS_ADMIN, ENOSPC where there are too many
   */
  public static NetNamespace create() {
    return onThreadOfItsOwn(
        () -> {
          LibC.check(LibC.unshare(LibC.CLONE_NEWNET), "make a network namespace");
          int flags = LibC.O_RDONLY | LibC.O_CLOEXEC;
          return new NetNamespace(new OwnedFd(LibC.check(LibC.open(OWN, flags), "open " + OWN)));
        });
  }

  /**
   * Does {@code work} inside: what it opens there stays there. An interrupt of the caller waits
   * until that is done.
   *
   * @throws PosixException if the namespace cannot be entered
   */
  public <T> T inside(Supplier<T> work) {
    return onThreadOfItsOwn(
        () -> {
          LibC.check(LibC.setns(fd.number(), LibC.CLONE_NEWNET), "enter a network namespace");
          return work.get();
        });
  }

  /** Where other programs find it while this object is open: for {@code nsenter --net=PATH}. */
  public String path() {
    return "/proc/" + ProcessHandle.current().pid() + "/fd/" + fd.number();
  }

  private static <T> T onThreadOfItsOwn(Supplier<T> work) {
    AtomicReference<T> result = new AtomicReference<>();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread thread =
        Thread.ofPlatform()
            .name("network namespace")
            .daemon()
            .uncaughtExceptionHandler((_, e) -> failure.set(e))
            .start(() -> result.set(work.get()));
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    switch (failure.get()) {
      case null -> {
        return result.get();
      }
      case RuntimeException e -> throw e;
      case Throwable e -> throw new IllegalStateException(e);
    }
  }

  /** Lets go of it; a second call does nothing. */
  @Override
  public void close() {
    fd.close();
  }
}
