package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class NetNamespaceTest {
  private static final Path OWN = Path.of("/proc/thread-self/ns/net");

  @BeforeEach
  void needsNamespaces() {
    Requirements.assumeNetNamespace();
  }

  @Test
  void workInsideIsElsewhereAndTheCallerStaysWhereItIs() throws IOException {
    Path before = Files.readSymbolicLink(OWN);
    try (NetNamespace namespace = NetNamespace.create()) {
      Path inside = namespace.inside(NetNamespaceTest::own);
      assertNotEquals(before, inside);
      assertEquals(inside, namespace.inside(NetNamespaceTest::own));
      assertEquals(before, Files.readSymbolicLink(OWN));
      assertEquals(before, Files.readSymbolicLink(Path.of("/proc/self/ns/net")));
      assertEquals(inside, Files.readSymbolicLink(Path.of(namespace.path())));
    }
  }

  @Test
  void tapThatIsMadeInsideStaysThere() {
    try (NetNamespace namespace = NetNamespace.create();
        Tap tap = namespace.inside(() -> Tap.open("inside0"))) {
      assertTrue(interfaces().stream().noneMatch(line -> line.contains(tap.name())));
      List<String> inside = namespace.inside(NetNamespaceTest::interfaces);
      // Two lines of headings; lo and the TAP, and nothing of the machine's.
      assertTrue(inside.stream().anyMatch(line -> line.contains("inside0:")), inside::toString);
      assertTrue(inside.stream().noneMatch(line -> line.contains("eth0:")), inside::toString);
    }
  }

  @Test
  void failureInsideIsTheCallers() {
    IllegalArgumentException failure = new IllegalArgumentException("mine");
    try (NetNamespace namespace = NetNamespace.create()) {
      assertSame(
          failure,
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  namespace.inside(
                      () -> {
                        throw failure;
                      })));
    }
  }

  @Test
  void interruptWaitsUntilTheWorkIsDoneAndIsNotLost() throws InterruptedException {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    AtomicReference<String> seen = new AtomicReference<>();
    try (NetNamespace namespace = NetNamespace.create()) {
      Thread caller =
          Thread.ofPlatform()
              .start(
                  () -> {
                    String result =
                        namespace.inside(
                            () -> {
                              begun.countDown();
                              awaitUninterrupted(goOn);
                              return "done";
                            });
                    seen.set(result + " " + Thread.currentThread().isInterrupted());
                  });
      begun.await();
      caller.interrupt();
      goOn.countDown();
      caller.join();
    }
    assertEquals("done true", seen.get());
  }

  @Test
  void closedOneCannotBeEntered() {
    NetNamespace namespace = NetNamespace.create();
    namespace.close();
    namespace.close();
    assertThrows(IllegalStateException.class, () -> namespace.inside(() -> null));
    assertThrows(IllegalStateException.class, namespace::path);
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Path own() {
    try {
      return Files.readSymbolicLink(OWN);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> interfaces() {
    try {
      return Files.readAllLines(Path.of("/proc/thread-self/net/dev"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
