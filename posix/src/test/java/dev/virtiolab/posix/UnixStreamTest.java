package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Allocation;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnixStreamTest {
  @TempDir Path folder;

  private final MemorySegment buffer = Arena.ofAuto().allocate(4096);
  private UnixListener listener;
  private UnixStream client;
  private UnixStream server;

  @BeforeEach
  void connects() {
    String path = folder.resolve("s").toString();
    listener = UnixListener.listen(path);
    assertNull(listener.accept());
    client = UnixStream.connect(path);
    server = listener.accept();
  }

  @AfterEach
  void closes() {
    client.close();
    server.close();
    listener.close();
  }

  @Test
  void bytesCrossBothWaysAndTheEndIsSeen() {
    try (PassedFds passed = new PassedFds(0)) {
      assertEquals(-Errno.EAGAIN, server.receive(buffer, 0, 10, passed));
      buffer.set(ValueLayout.JAVA_BYTE, 3, (byte) 77);
      assertEquals(1, client.send(buffer, 3, 1));
      assertEquals(1, server.receive(buffer, 9, 100, passed));
      assertEquals(77, buffer.get(ValueLayout.JAVA_BYTE, 9));
      assertEquals(4096, server.send(buffer, 0, 4096));
      assertEquals(4096, client.receive(buffer, 0, 4096, passed));
      client.close();
      assertEquals(0, server.receive(buffer, 0, 1, passed));
      assertEquals(-Errno.EPIPE, server.send(buffer, 0, 1));
      assertEquals(0, passed.count());
    }
  }

  @Test
  void anEndThatIsShutDownIsSeenByBothAfterWhatHasArrived() {
    try (PassedFds passed = new PassedFds(0)) {
      assertEquals(3, client.send(buffer, 0, 3));
      server.shutdown();
      server.shutdown();
      assertEquals(3, server.receive(buffer, 0, 10, passed));
      assertEquals(0, server.receive(buffer, 0, 10, passed));
      assertEquals(-Errno.EPIPE, server.send(buffer, 0, 1));
      assertEquals(0, client.receive(buffer, 0, 10, passed));
      assertEquals(-Errno.EPIPE, client.send(buffer, 0, 1));
    }
  }

  @Test
  void aPeerThatDoesNotReadStopsTheSender() {
    int sent = 0;
    while (sent < 100 << 20) {
      int result = client.send(buffer, 0, 4096);
      if (result < 0) {
        assertEquals(-Errno.EAGAIN, result);
        break;
      }
      sent += result;
    }
    assertTrue(sent < 100 << 20, "sent without end");
  }

  @Test
  void descriptorsArriveWithTheFirstByteOfTheirMessageAndAreClosedOnExec() {
    try (EventFd one = EventFd.create();
        EventFd two = EventFd.create();
        PassedFds passed = new PassedFds(8)) {
      assertEquals(4, client.send(buffer, 0, 4));
      assertEquals(16, client.send(buffer, 0, 16, one.fd(), two.fd()));
      assertEquals(4, client.send(buffer, 0, 4, two.fd()));

      assertEquals(4, server.receive(buffer, 0, 4, passed));
      assertEquals(0, passed.count());
      assertEquals(10, server.receive(buffer, 0, 10, passed));
      assertEquals(2, passed.count());
      assertEquals(6, server.receive(buffer, 0, 6, passed));
      assertEquals(2, passed.count());
      assertEquals(4, server.receive(buffer, 0, 4096, passed));
      assertEquals(3, passed.count());

      OwnedFd second = passed.take(1);
      assertEquals(LibC.FD_CLOEXEC, LibC.fcntl(second.number(), LibC.F_GETFD, 0));
      assertNotEquals(two.fd(), second.number());
      two.signal();
      assertEquals(8, LibC.read(second.number(), buffer.address(), 8));
      second.close();
      assertThrows(IllegalStateException.class, () -> passed.take(1));
      assertThrows(IndexOutOfBoundsException.class, () -> passed.take(3));
    }
  }

  @Test
  void aReceiveEndsWithTheMessageWhoseDescriptorsItTook() {
    try (EventFd event = EventFd.create();
        PassedFds passed = new PassedFds(8)) {
      client.send(buffer, 0, 16, event.fd());
      client.send(buffer, 0, 4, event.fd());
      assertEquals(16, server.receive(buffer, 0, 4096, passed));
      assertEquals(1, passed.count());
      assertEquals(4, server.receive(buffer, 0, 4096, passed));
      assertEquals(2, passed.count());
    }
  }

  @Test
  void noDescriptorStaysOpenThatNobodyTook() throws IOException {
    try (EventFd event = EventFd.create();
        PassedFds passed = new PassedFds(3)) {
      long before = openDescriptors();
      int[] most = new int[UnixStream.MAX_FDS];
      Arrays.fill(most, event.fd());
      assertEquals(1, client.send(buffer, 0, 1, most));
      assertEquals(1, server.receive(buffer, 0, 1, passed));
      assertEquals(3, passed.count());
      assertTrue(passed.overflowed());
      assertEquals(before + 3, openDescriptors());
      passed.clear();
      assertEquals(before, openDescriptors());
      assertEquals(0, passed.count());
      assertFalse(passed.overflowed());
      assertThrows(
          IllegalArgumentException.class,
          () -> client.send(buffer, 0, 1, new int[UnixStream.MAX_FDS + 1]));
    }
  }

  @Test
  void whatTheLimitOfOpenFilesLetsThroughIsClosedToo() throws IOException, InterruptedException {
    // In a process of its own, which may open but few files: MSG_CTRUNC.
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process narrow =
        new ProcessBuilder(
                "sh",
                "-c",
                "exec \"$@\" 2>&1",
                "sh",
                java,
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                ownClassPath(),
                NarrowReceiver.class.getName(),
                folder.resolve("narrow").toString())
            .start();
    String said = new String(narrow.getInputStream().readAllBytes());
    assertEquals(0, narrow.waitFor(), said);
    assertTrue(said.contains("overflowed, nothing left"), said);
  }

  private static String ownClassPath() {
    // On the module path in Maven: the same files serve as a class path.
    return Stream.of(System.getProperty("java.class.path"), System.getProperty("jdk.module.path"))
            .filter(path -> path != null && !path.isEmpty())
            .reduce((a, b) -> a + ":" + b)
            .orElseThrow()
        + ":"
        + UnixStreamTest.class.getProtectionDomain().getCodeSource().getLocation().getPath();
  }

  @Test
  void aSocketThatWasLeftIsSweptAndOneThatIsHeldIsNot() throws IOException {
    Path left = folder.resolve("left");
    MemorySegment address = UnixAddress.of(left.toString());
    try (OwnedFd fd = UnixStream.socket()) {
      assertEquals(0, LibC.bind(fd.number(), address.address(), (int) address.byteSize()));
    }
    assertTrue(Files.exists(left));
    UnixListener mine = UnixListener.listen(left.toString());
    PosixException held =
        assertThrows(PosixException.class, () -> UnixListener.listen(left.toString()));
    assertEquals(Errno.EADDRINUSE, held.errno());
    mine.accept().close(); // the probe's

    Files.delete(left);
    Files.writeString(left, "somebody else's");
    mine.close();
    mine.close();
    assertTrue(Files.exists(left));
    PosixException file =
        assertThrows(PosixException.class, () -> UnixListener.listen(left.toString()));
    assertEquals(Errno.EADDRINUSE, file.errno());
    assertEquals("somebody else's", Files.readString(left));
  }

  @Test
  void theFileGoesWithTheListener() {
    assertTrue(Files.exists(folder.resolve("s")));
    listener.close();
    assertFalse(Files.exists(folder.resolve("s")));
    PosixException gone =
        assertThrows(
            PosixException.class, () -> UnixStream.connect(folder.resolve("s").toString()));
    assertEquals(Errno.ENOENT, gone.errno());
  }

  @Test
  void nothingIsAllocatedPerMessage() {
    try (PassedFds passed = new PassedFds(1)) {
      int[] none = {};
      long bytes =
          Allocation.bytesOf(
              20_000,
              () -> {
                client.send(buffer, 0, 64, none);
                server.receive(buffer, 0, 64, passed);
              });
      assertTrue(bytes < 512, "allocated: " + bytes);
    }
  }

  private static long openDescriptors() throws IOException {
    try (Stream<Path> fds = Files.list(Path.of("/proc/self/fd"))) {
      return fds.count();
    }
  }

  @Test
  void aPassedStreamIsTakenOverAndNothingElse() throws BadDescriptorException {
    UnixStream[] pair = UnixStream.pair();
    UnixStream[] second = UnixStream.pair();
    try (UnixStream near = pair[0];
        UnixStream far = pair[1];
        UnixStream passedEnd = second[0];
        EventFd event = EventFd.create();
        PassedFds passed = new PassedFds(2)) {
      MemorySegment bytes = Arena.ofAuto().allocate(8);
      assertEquals(1, near.send(bytes, 0, 1, second[1].fd(), event.fd()));
      second[1].close();
      assertEquals(1, far.receive(bytes, 0, 8, passed));
      try (UnixStream adopted = UnixStream.adopt(passed.take(0))) {
        assertEquals(3, passedEnd.send(bytes, 0, 3));
        assertEquals(3, adopted.receive(bytes, 0, 8, passed));
      }
      OwnedFd no = passed.take(1);
      assertThrows(BadDescriptorException.class, () -> UnixStream.adopt(no));
      assertFalse(no.isOpen());
    }
  }
}
