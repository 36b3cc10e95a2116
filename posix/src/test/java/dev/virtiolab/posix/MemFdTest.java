package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class MemFdTest {
  private static final long THREE_GIB = 3L << 30;

  @Test
  void mapsTheSameBytesTwice() {
    try (MemFd file = MemFd.create("test", 8192);
        Arena arena = Arena.ofShared()) {
      MemorySegment one = file.map(arena);
      MemorySegment two = file.map(arena);
      one.set(ValueLayout.JAVA_LONG, 8184, 42);
      assertEquals(42, two.get(ValueLayout.JAVA_LONG, 8184));
      assertEquals(8192, one.byteSize());
      assertEquals(8192, file.bytes());
    }
  }

  @Test
  void mapsMoreThanTwoGibibytes() {
    try (MemFd file = MemFd.create("test", THREE_GIB);
        Arena arena = Arena.ofShared()) {
      MemorySegment map = file.map(arena);
      assertEquals(0, map.get(ValueLayout.JAVA_BYTE, THREE_GIB - 1));
      map.set(ValueLayout.JAVA_BYTE, THREE_GIB - 1, (byte) 7);
      assertEquals(7, map.get(ValueLayout.JAVA_BYTE, THREE_GIB - 1));
    }
  }

  @Test
  void mapOutlivesTheDescriptor() {
    try (Arena arena = Arena.ofShared()) {
      MemFd file = MemFd.create("test", 4096);
      MemorySegment map = file.map(arena);
      file.close();
      map.set(ValueLayout.JAVA_BYTE, 4095, (byte) 1);
      assertEquals(1, map.get(ValueLayout.JAVA_BYTE, 4095));
    }
  }

  @Test
  void sizeIsSealedBothWays() {
    try (MemFd file = MemFd.create("test", 4096)) {
      assertEquals(
          LibC.F_SEAL_SHRINK | LibC.F_SEAL_GROW, LibC.fcntl(file.fd(), LibC.F_GET_SEALS, 0));
      assertTrue(LibC.ftruncate(file.fd(), 0) < 0);
      assertEquals(Errno.EPERM, LibC.errno());
      assertTrue(LibC.ftruncate(file.fd(), 8192) < 0);
    }
  }

  @Test
  void isClosedOnExec() {
    try (MemFd file = MemFd.create("test", 4096)) {
      assertEquals(LibC.FD_CLOEXEC, LibC.fcntl(file.fd(), LibC.F_GETFD, 0));
    }
  }

  @Test
  void refusesASizeThatIsNone() {
    assertThrows(IllegalArgumentException.class, () -> MemFd.create("test", 0));
  }

  @Test
  void closedDescriptorHasNoNumber() {
    MemFd file = MemFd.create("test", 4096);
    file.close();
    file.close();
    assertThrows(IllegalStateException.class, file::fd);
  }
}
