package dev.virtiolab.posix;

/** The user behind this process. */
public final class User {
  private User() {}

  /** The real user id, unsigned; 0 is root, in this user namespace. */
  public static int id() {
    return LibC.getuid();
  }

  public static boolean isRoot() {
    return id() == 0;
  }
}
