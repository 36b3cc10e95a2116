package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
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

  /** What the kernel does with flows: those that a queue has sent come back by it. */
  @Test
  void framesOfAFlowComeBackByTheQueueThatTheyWereSentBy()
      throws IOException, InterruptedException {
    List<TapBackend> queues = TapBackend.openQueues("", 4);
    try {
      TapBackend first = queues.getFirst();
      up(first);
      ip("address", "add", "198.18.78.1/30", "dev", first.name());
      ip("neigh", "add", "198.18.78.2", "dev", first.name(), "lladdr", "02:00:00:00:00:01");
      byte[] station = stationOf(first);
      assertEquals(1, kernelQueues(first), "the others are not attached");
      assertEquals(Set.of(0), queuesThatAnswer(queues, station, 0));
      queues.forEach(queue -> queue.attach(true));
      assertEquals(4, kernelQueues(first));
      for (int queue = 0; queue < 4; queue++) {
        assertEquals(Set.of(queue), queuesThatAnswer(queues, station, queue));
      }
      queues.get(3).attach(false);
      queues.get(2).attach(false);
      queues.get(2).attach(false);
      for (int queue = 0; queue < 2; queue++) {
        assertEquals(Set.of(queue), queuesThatAnswer(queues, station, queue));
      }
      Set<Integer> answering = queuesThatAnswer(queues, station, 3);
      assertTrue(Set.of(0, 1).containsAll(answering), "sent by a queue that is out: " + answering);
      assertFalse(answering.isEmpty());
    } finally {
      queues.forEach(TapBackend::close);
    }
    assertFalse(Files.exists(Path.of("/sys/class/net", queues.getFirst().name())));
  }

  @Test
  void whatWaitsInAQueueIsLostWithItsPlace() throws IOException, InterruptedException {
    List<TapBackend> queues = TapBackend.openQueues("", 2);
    try {
      TapBackend second = queues.get(1);
      up(second);
      ip("address", "add", "198.18.78.1/30", "dev", second.name());
      ip("neigh", "add", "198.18.78.2", "dev", second.name(), "lladdr", "02:00:00:00:00:01");
      second.attach(true);
      queues.getFirst().attach(false);
      // The second alone is there now.
      Frames.send(second, echoRequest(stationOf(second), 1));
      awaitFrame(second);
      assertTrue(second.peek() > 0);
      second.attach(false);
      assertEquals(0, second.peek());
      assertEquals(1, second.counters().droppedIn());
      second.attach(true);
      assertEquals(0, second.peek());
      Frames.send(second, echoRequest(stationOf(second), 2));
      awaitFrame(second);
      assertTrue(second.peek() > 0);
    } finally {
      queues.forEach(TapBackend::close);
    }
  }

  /** Among how many the kernel steers. */
  private static long kernelQueues(TapBackend tap) throws IOException {
    try (Stream<Path> entries = Files.list(Path.of("/sys/class/net", tap.name(), "queues"))) {
      return entries.filter(entry -> entry.getFileName().toString().startsWith("tx-")).count();
    }
  }

  private static byte[] stationOf(TapBackend tap) throws IOException {
    String text = Files.readString(Path.of("/sys/class/net", tap.name(), "address")).trim();
    byte[] address = new byte[6];
    for (int i = 0; i < 6; i++) {
      address[i] = (byte) Integer.parseInt(text.substring(3 * i, 3 * i + 2), 16);
    }
    return address;
  }

  private static void awaitFrame(TapBackend tap) {
    try (Poll poll = new Poll(1)) {
      poll.add(tap.readableFd());
      assertTrue(poll.await(TEN_SECONDS) > 0);
    }
  }

  /** Sends echo requests of one flow by {@code sender}; the queues by which answers came. */
  private static Set<Integer> queuesThatAnswer(
      List<TapBackend> queues, byte[] station, int sender) {
    Set<Integer> answering = new TreeSet<>();
    try (Poll poll = new Poll(queues.size())) {
      queues.forEach(queue -> poll.add(queue.readableFd()));
      for (int i = 0; i < 8; i++) {
        Frames.send(queues.get(sender), echoRequest(station, sender));
        boolean answered = false;
        long start = System.nanoTime();
        while (!answered) {
          assertTrue(System.nanoTime() - start < TEN_SECONDS, "no answer");
          poll.await(TEN_SECONDS);
          for (int queue = 0; queue < queues.size(); queue++) {
            TapBackend tap = queues.get(queue);
            while (tap.peek() != 0) {
              byte[] frame = Frames.look(tap);
              tap.release();
              // IPv4, ICMP, an echo reply: the kernel says other things, too.
              if (frame.length > 34 && frame[12] == 8 && frame[23] == 1 && frame[34] == 0) {
                // The kernel notes where a flow is after it has answered the first frame of it.
                if (i > 0) {
                  answering.add(queue);
                }
                answered = true;
              }
            }
          }
        }
      }
    }
    return answering;
  }

  /** A ping from 198.18.78.2; the flow is that of its identifier. */
  private static byte[] echoRequest(byte[] station, int identifier) {
    ByteBuffer frame = ByteBuffer.allocate(60);
    frame.put(station).put(new byte[] {2, 0, 0, 0, 0, 1}).putShort((short) 0x0800);
    frame.putShort((short) 0x4500).putShort((short) 46).putInt(0).putShort((short) 0x4001);
    frame.putShort((short) 0).putInt(0xc612_4e02).putInt(0xc612_4e01);
    frame.putShort(24, checksum(frame, 14, 34));
    frame.putShort(34, (short) 0x0800).putShort(38, (short) identifier).putShort(40, (short) 1);
    frame.putShort(36, checksum(frame, 34, 60));
    return frame.array();
  }

  private static short checksum(ByteBuffer bytes, int from, int to) {
    int sum = 0;
    for (int i = from; i < to; i += 2) {
      sum += bytes.getShort(i) & 0xffff;
    }
    return (short) ~((sum & 0xffff) + (sum >>> 16));
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
