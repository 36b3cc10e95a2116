package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class OwnedFdTest {
  @Test
  void secondCloseSparesTheNumbersNextOwner() {
    OwnedFd first = new OwnedFd(LibC.eventfd(0, LibC.EFD_CLOEXEC));
    int number = first.number();
    assertTrue(first.isOpen());
    first.close();
    assertFalse(first.isOpen());
    assertThrows(IllegalStateException.class, first::number);

    // Somebody else gets the number: made certain by asking for exactly this one.
    OwnedFd source = new OwnedFd(LibC.eventfd(0, LibC.EFD_CLOEXEC));
    OwnedFd next = new OwnedFd(LibC.fcntl(source.number(), F_DUPFD, number));
    first.close();
    assertEquals(0, LibC.fcntl(next.number(), LibC.F_GETFD, 0));
    next.close();
    source.close();
  }

  /** Takes the lowest free number that is not below the one asked for: fcntl(2). */
  private static final int F_DUPFD = 0;
}
