package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TapBackendTest {
  private static final long TEN_SECONDS = 10_000_000_000L;

  @BeforeEach
  void needsATap() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ip", "iproute2");
  }

  @Test
  void hostsFrameIsPeekedAfterTheDescriptorIsReadable() throws IOException, InterruptedException {
    try (TapBackend tap = TapBackend.open("");
        Poll poll = new Poll(1)) {
      int index = poll.add(tap.readableFd());
      up(tap);
      arpFromTheHost(tap);
      assertTrue(poll.await(TEN_SECONDS) > 0);
      assertTrue(poll.readable(index));
      byte[] frame = Frames.look(tap);
      assertTrue(frame.length >= 42, frame.length + " bytes");
      tap.release();
      assertEquals(1, tap.counters().framesIn());
      assertEquals(frame.length, tap.counters().bytesIn());
    }
  }

  @Test
  void frameForTheHostIsSentAndOneThatIsNoneIsLost() throws IOException, InterruptedException {
    try (TapBackend tap = TapBackend.open("")) {
      Frames.send(tap, Frames.numbered(1, 60));
      assertEquals(1, tap.counters().droppedOut(), "the interface is down");
      up(tap);
      Frames.send(tap, Frames.numbered(1, 60));
      assertEquals(1, tap.counters().framesOut());
      Frames.send(tap, Frames.numbered(1, 5));
      assertEquals(2, tap.counters().droppedOut(), "shorter than a header");
      assertTrue(tap.linkUp());
    }
  }

  @Test
  void deletedInterfaceTakesTheLinkDownOnce() throws IOException, InterruptedException {
    AtomicInteger wakes = new AtomicInteger();
    try (TapBackend tap = TapBackend.open("")) {
      tap.onReady(wakes::incrementAndGet);
      assertEquals(0, tap.peek());
      ip("link", "delete", tap.name());
      assertEquals(0, tap.peek());
      assertFalse(tap.linkUp());
      assertEquals(1, wakes.get());
      Frames.send(tap, Frames.numbered(1, 60));
      assertEquals(1, tap.counters().droppedOut());
      assertEquals(0, tap.peek());
      assertEquals(1, wakes.get());
    }
  }

  private static void up(TapBackend tap) throws IOException, InterruptedException {
    ip("link", "set", tap.name(), "up");
  }

  /** Has the kernel ask for a neighbour of which it knows an address that it doubts. */
  private static void arpFromTheHost(TapBackend tap) throws IOException, InterruptedException {
    ip("address", "add", "198.18.78.1/30", "dev", tap.name());
    ip(
        "neigh",
        "add",
        "198.18.78.2",
        "dev",
        tap.name(),
        "nud",
        "probe",
        "lladdr",
        "02:00:00:00:00:01");
  }

  private static void ip(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), command + ": " + output);
  }
}
