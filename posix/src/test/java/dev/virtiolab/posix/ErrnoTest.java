package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Function;
import java.lang.reflect.Field;
import org.junit.jupiter.api.Test;

class ErrnoTest {
  @Test
  void exceptionNamesTheCallAndTheError() {
    PosixException e = new PosixException("open /dev/net/tun", Errno.EPERM);
    assertEquals("open /dev/net/tun: Operation not permitted (EPERM)", e.getMessage());
    assertEquals("open /dev/net/tun", e.call());
    assertEquals(Errno.EPERM, e.errno());
    assertEquals("x: Unknown error (errno 999)", new PosixException("x", 999).getMessage());
  }

  @Test
  void everyNumberHasItsOwnNameAndTheWordsOfTheCLibrary() throws IllegalAccessException {
    Function strerror = Function.getFunction("c", "strerror");
    for (Field field : Errno.class.getFields()) {
      int errno = field.getInt(null);
      assertEquals(field.getName(), Errno.name(errno));
      assertNotEquals("Unknown error", Errno.text(errno));
      String words = strerror.invokeString(new Object[] {errno}, false);
      assertTrue(words.equals(Errno.text(errno)) || !isEnglish(), field.getName() + ": " + words);
    }
  }

  /** strerror speaks the language of the locale, which the JVM takes from the environment. */
  private static boolean isEnglish() {
    return System.getProperty("user.language").equals("en");
  }
}
