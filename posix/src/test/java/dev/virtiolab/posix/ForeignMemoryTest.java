package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ForeignMemoryTest {
  private static final int O_RDONLY = 0;

  @Test
  void sealedMemoryIsMappedFromAnyDescriptorOfIt() throws BadDescriptorException {
    try (MemFd file = MemFd.create("test", 3L << 30);
        Arena arena = Arena.ofShared();
        OwnedFd passed = open("/proc/self/fd/" + file.fd(), LibC.O_RDWR)) {
      ForeignMemory foreign = ForeignMemory.map(passed, false);
      assertEquals(3L << 30, foreign.segment().byteSize());
      assertEquals(foreign.identity(), ForeignMemory.identify(passed));
      file.map(arena).set(ValueLayout.JAVA_BYTE, (3L << 30) - 1, (byte) 9);
      assertEquals(9, foreign.segment().get(ValueLayout.JAVA_BYTE, (3L << 30) - 1));
      MemorySegment segment = foreign.segment();
      foreign.close();
      foreign.close();
      assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
    }
  }

  @Test
  void filesHaveTheirOwnIdentity() throws BadDescriptorException {
    try (MemFd one = MemFd.create("test", 4096);
        MemFd two = MemFd.create("test", 4096);
        OwnedFd first = open("/proc/self/fd/" + one.fd(), LibC.O_RDWR);
        OwnedFd second = open("/proc/self/fd/" + two.fd(), LibC.O_RDWR)) {
      assertNotEquals(ForeignMemory.identify(first), ForeignMemory.identify(second));
    }
  }

  @Test
  void unsealedMemoryIsTakenOnRequestOnly(@TempDir Path folder)
      throws IOException, BadDescriptorException {
    Path file = folder.resolve("memory");
    Files.write(file, new byte[8192]);
    int unsealed = LibC.memfd_create("unsealed", LibC.MFD_ALLOW_SEALING);
    LibC.ftruncate(unsealed, 4096);
    LibC.fcntl(unsealed, LibC.F_ADD_SEALS, LibC.F_SEAL_GROW);
    try (OwnedFd onDisk = open(file.toString(), LibC.O_RDWR);
        OwnedFd memfd = new OwnedFd(unsealed)) {
      for (OwnedFd each : new OwnedFd[] {onDisk, memfd}) {
        BadDescriptorException refused =
            assertThrows(BadDescriptorException.class, () -> ForeignMemory.map(each, false));
        assertEquals(Errno.EPERM, refused.errno());
        assertTrue(refused.getMessage().contains("F_SEAL_SHRINK"), refused.getMessage());
      }
      try (ForeignMemory foreign = ForeignMemory.map(onDisk, true)) {
        assertEquals(8192, foreign.segment().byteSize());
      }
    }
    assertEquals(8192, Files.size(file));
  }

  @Test
  void whatIsNoMemoryIsRefusedAndStaysTheCallers() {
    try (EventFd event = EventFd.create();
        OwnedFd zero = open("/dev/zero", LibC.O_RDWR);
        OwnedFd folder = open("/proc", O_RDONLY);
        OwnedFd socket = UnixStream.socket()) {
      for (OwnedFd each : new OwnedFd[] {zero, folder, socket}) {
        for (boolean allowUnsealed : new boolean[] {false, true}) {
          BadDescriptorException refused =
              assertThrows(
                  BadDescriptorException.class, () -> ForeignMemory.map(each, allowUnsealed));
          assertEquals(Errno.EINVAL, refused.errno());
          assertTrue(each.isOpen());
        }
      }
      assertTrue(event.fd() >= 0);
    }
  }

  @Test
  void anEmptyFileIsNoMemory() {
    try (OwnedFd empty = new OwnedFd(LibC.memfd_create("empty", LibC.MFD_ALLOW_SEALING))) {
      LibC.fcntl(empty.number(), LibC.F_ADD_SEALS, LibC.F_SEAL_SHRINK);
      BadDescriptorException refused =
          assertThrows(BadDescriptorException.class, () -> ForeignMemory.map(empty, false));
      assertEquals(Errno.EINVAL, refused.errno());
    }
  }

  @Test
  void anEventFdIsAdoptedAndNothingElse() throws BadDescriptorException {
    int blocking = LibC.eventfd(0, LibC.EFD_CLOEXEC);
    try (EventFd adopted = EventFd.adopt(new OwnedFd(blocking))) {
      adopted.signal();
      assertTrue(adopted.drain());
      // It would have blocked here.
      assertEquals(false, adopted.drain());
    }
    OwnedFd socket = UnixStream.socket();
    BadDescriptorException refused =
        assertThrows(BadDescriptorException.class, () -> EventFd.adopt(socket));
    assertEquals(Errno.EINVAL, refused.errno());
    assertEquals(false, socket.isOpen());
  }

  private static OwnedFd open(String path, int flags) {
    return new OwnedFd(LibC.check(LibC.open(path, flags | LibC.O_CLOEXEC), "open " + path));
  }
}
