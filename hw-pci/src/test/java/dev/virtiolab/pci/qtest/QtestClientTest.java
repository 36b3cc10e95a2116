package dev.virtiolab.pci.qtest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.PassedFds;
import dev.virtiolab.posix.UnixStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The client against a server that the test plays. A server's words may lie in the socket before
 * the client asks: it reads them after it has asked.
 */
class QtestClientTest {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final Duration SHORT = Duration.ofMillis(50);

  private final UnixStream[] pair = UnixStream.pair();
  private final UnixStream server = pair[1];
  private QtestClient client = new QtestClient(pair[0], LONG);

  @AfterEach
  void close() {
    client.close();
    server.close();
  }

  // ---- the protocol

  @Test
  void requestsAreThoseOfTheProtocolsText() {
    say("OK 0x00ff\nOK 0xffff\nOK 0xffffffff\n");
    assertEquals(0xff, client.in(0x60, 1));
    assertEquals(0xffff, client.in(0xcfc, 2));
    assertEquals(0xffff_ffffL, client.in(0xcfc, 4));
    assertEquals("inb 0x60\ninw 0xcfc\ninl 0xcfc\n", heard());

    say("OK\nOK\nOK\n");
    client.out(0x60, 1, 0xfe);
    client.out(0xcfc, 2, 0);
    client.out(0xcf8, 4, 0x8000_0000L);
    assertEquals("outb 0x60 0xfe\noutw 0xcfc 0x0\noutl 0xcf8 0x80000000\n", heard());

    say("OK 0x00000000000000a5\nOK 0x0000000000001af4\nOK 0x0\nOK 0xfedcba9876543210\n");
    assertEquals(0xa5, client.read(0xb000_0000L, 1));
    assertEquals(0x1af4, client.read(0x1_4000_0000L, 2));
    assertEquals(0, client.read(0, 4));
    assertEquals(0xfedc_ba98_7654_3210L, client.read(-8, 8));
    assertEquals(
        "readb 0xb0000000\nreadw 0x140000000\nreadl 0x0\nreadq 0xfffffffffffffff8\n", heard());

    say("OK\nOK\nOK\nOK\n");
    client.write(0x1000, 1, 7);
    client.write(0x1000, 2, 0x1234);
    client.write(0x1000, 4, 0x8000_0000L);
    client.write(0x1000, 8, -1);
    assertEquals(
        "writeb 0x1000 0x7\nwritew 0x1000 0x1234\nwritel 0x1000 0x80000000\n"
            + "writeq 0x1000 0xffffffffffffffff\n",
        heard());
    assertEquals(7, client.reads());
    assertEquals(7, client.writes());
  }

  @Test
  void whatDoesNotFitTheWidthIsNotSent() {
    say("OK\nOK\n");
    client.out(0x60, 1, -1);
    client.write(0, 4, 0x1_0000_0001L);
    assertEquals("outb 0x60 0xff\nwritel 0x0 0x1\n", heard());
  }

  @Test
  void aMachineThatIsThereSaysItsByteOrder() {
    say("OK little\n");
    client.greet();
    assertEquals("endianness\n", heard());
  }

  @ParameterizedTest
  @ValueSource(strings = {"OK big", "OK", "OK littleX", "OK 0x1"})
  void anotherByteOrderIsRefused(String line) {
    say(line + "\n");
    assertTrue(assertThrows(QtestException.class, client::greet).getMessage().contains(line));
  }

  @Test
  void interruptsInBetweenAreCountedAndNoAnswer() {
    say("IRQ raise 0\nIRQ lower 0\nOK 0x1\nIRQ raise 255\nOK\n");
    assertEquals(1, client.read(0, 1));
    client.write(0, 1, 1);
    assertEquals(3, client.interrupts());
  }

  @Test
  void anAnswerMayComeInPieces() throws Exception {
    Thread slow =
        Thread.ofPlatform()
            .start(
                () -> {
                  for (String piece : "IRQ raise 1\nOK 0x0000000000000042\nOK\n".split("")) {
                    say(piece);
                  }
                });
    assertEquals(0x42, client.read(0, 4));
    client.write(0, 1, 1);
    slow.join();
  }

  @Test
  void manyAnswersAtOnceAreTakenOneByOne() {
    StringBuilder answers = new StringBuilder();
    for (int i = 0; i < 1000; i++) {
      answers.append("OK 0x%016x\n".formatted(i * 0x1_0000_0001L));
    }
    say(answers.toString());
    for (int i = 0; i < 1000; i++) {
      assertEquals(i * 0x1_0000_0001L, client.read(8L * i, 8));
      heard();
    }
  }

  @Test
  void aLineMayBeAsLongAsTheLongest() {
    String reason = "x".repeat(QtestClient.LONGEST_LINE - "FAIL ".length());
    say("FAIL " + reason + "\n");
    assertRefused(reason);
  }

  // ---- a server that is not to be trusted

  @ParameterizedTest
  @CsvSource({
    "'FAIL Unknown command', refuses",
    "'FAIL', refuses",
    "'', answers a read with",
    "'OK', answers a read with",
    "'OK ', answers a read with",
    "'OK 0x', answers a read with",
    "'OK 12', answers a read with",
    "'OK 0X12', answers a read with",
    "'OK 0x12 ', answers a read with",
    "'OK 0x1G', answers a read with",
    "'OK 0xAB', answers a read with",
    "'OK 0x-1', answers a read with",
    "'OK 0x00000000000000012', answers a read with",
    "'ok 0x12', answers a read with",
    "'OK 0x100000000', answers a read of 4 bytes with",
    "'ERR b64 invalid', answers a read with",
    "'IRQ', answers a read with",
    "'IRQ raise', answers a read with",
    "'IRQ raise ', answers a read with",
    "'IRQ raise -1', answers a read with",
    "'IRQ raise 1000', answers a read with",
    "'IRQ fall 1', answers a read with",
  })
  void whatIsNoAnswerEndsTheTalk(String line, String words) {
    say(line + "\nOK 0x1\n");
    assertRefused(words);
  }

  @ParameterizedTest
  @ValueSource(strings = {"OK 0x1", "OK ", "OKAY", "FAIL no", "IRQ raise x", "\r"})
  void aWriteIsAnsweredByOkAlone(String line) {
    say(line + "\nOK\n");
    assertThrows(QtestException.class, () -> client.write(0, 1, 1));
  }

  @Test
  void nothingIsRepeatedThatATerminalWouldObey() {
    say("FAIL \033[2J\tf\u00fcr\n");
    assertRefused("\"FAIL ?[2J?f??r\"");
  }

  @Test
  void aServerThatGoesAwayIsNoticed() {
    server.close();
    QtestException first = assertThrows(QtestException.class, () -> client.read(0, 4));
    assertEquals("it has gone away", first.getMessage());
    assertSame(first, assertThrows(QtestException.class, () -> client.read(0, 4)));
  }

  @Test
  void aServerThatGoesAwayAfterTheRequestIsNoticed() throws Exception {
    Thread.ofPlatform()
        .start(
            () -> {
              while (heard().isEmpty()) {
                Thread.onSpinWait();
              }
              server.close();
            });
    QtestException gone = assertThrows(QtestException.class, () -> client.read(0, 4));
    assertEquals("it has gone away", gone.getMessage());
  }

  @Test
  void aServerThatGoesAwayInMidLineIsNoticed() throws Exception {
    Thread.ofPlatform()
        .start(
            () -> {
              while (heard().isEmpty()) {
                Thread.onSpinWait();
              }
              say("OK 0x12");
              server.close();
            });
    QtestException gone = assertThrows(QtestException.class, () -> client.read(0, 4));
    assertEquals("it went away in the middle of a line", gone.getMessage());
  }

  @Test
  void aLineWithoutAnEndIsCutOff() {
    say("OK 0x" + "0".repeat(QtestClient.LONGEST_LINE));
    assertRefused("more than 256 bytes");
  }

  @Test
  void silenceHasADeadline() {
    client = new QtestClient(pair[0], SHORT);
    assertRefused("no answer in 50 ms");
  }

  @Test
  void halfALineHasADeadline() {
    client = new QtestClient(pair[0], SHORT);
    say("OK 0x1");
    assertRefused("no answer in 50 ms");
  }

  @Test
  void interruptsWithoutEndAreNoAnswer() throws Exception {
    client = new QtestClient(pair[0], SHORT);
    Thread flood =
        Thread.ofPlatform()
            .start(
                () -> {
                  // So much at a time that the client finds no end of it.
                  String lines = "IRQ raise 1\nIRQ lower 1\n".repeat(4000);
                  while (trySay(lines)) {
                    Thread.onSpinWait();
                  }
                });
    assertRefused("no answer in 50 ms");
    client.close();
    flood.join();
  }

  @Test
  void interruptsUseUpThePatience() {
    client = new QtestClient(pair[0], Duration.ofNanos(1));
    say("IRQ raise 1\nOK 0x1\n");
    assertRefused("no answer in 0 ms");
  }

  @Test
  void aServerThatReadsLateIsWaitedFor() throws Exception {
    String filling = "x".repeat(4000);
    int sent = 1;
    while (sent > 0) {
      sent = send(pair[0], filling.getBytes(StandardCharsets.US_ASCII), 0);
    }
    assertEquals(-Errno.EAGAIN, sent);
    Thread late =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!heard().endsWith("writeb 0x0 0x1\n")) {
                    Thread.onSpinWait();
                  }
                  say("OK\n");
                });
    client.write(0, 1, 1);
    late.join();
  }

  @Test
  void aServerThatDoesNotReadHasADeadline() {
    client = new QtestClient(pair[0], SHORT);
    say("OK\n".repeat(2000));
    QtestException silent =
        assertThrows(
            QtestException.class,
            () -> {
              // Nobody takes the requests; the socket holds some thousand, the answers are fewer.
              for (int i = 0; i < 100_000; i++) {
                client.write(0, 8, -1);
              }
            });
    assertTrue(silent.getMessage().startsWith("no answer"), silent::getMessage);
  }

  @Test
  void noBytesAtAllMakeItDoAnythingElse() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    String[] words = {"OK", " ", "0x", "12", "\n", "FAIL", "IRQ ", "raise ", "7", "\0", "\u00ff"};
    for (int round = 0; round < 300; round++) {
      UnixStream[] sockets = UnixStream.pair();
      try (QtestClient one = new QtestClient(sockets[0], Duration.ofMillis(1))) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(40); i > 0; i--) {
          text.append(words[random.nextInt(words.length)]);
        }
        say(sockets[1], text.toString());
        for (int i = 0; i < 8; i++) {
          try {
            long value = one.read(0, 2);
            assertTrue(value >= 0 && value <= 0xffff, () -> "seed " + seed + ": " + text);
          } catch (QtestException e) {
            assertEquals(1, e.getMessage().lines().count(), () -> "seed " + seed + ": " + text);
          }
        }
      } finally {
        sockets[1].close();
      }
    }
  }

  // ---- the test's side

  /** A read of four bytes fails with {@code words}, and again, and nothing more is sent. */
  private void assertRefused(String words) {
    QtestException first = assertThrows(QtestException.class, () -> client.read(0, 4));
    assertTrue(first.getMessage().contains(words), first::getMessage);
    assertEquals("readl 0x0\n", heard());
    assertSame(first, assertThrows(QtestException.class, () -> client.write(0, 1, 1)));
    assertSame(first, assertThrows(QtestException.class, () -> client.greet()));
    assertEquals("", heard());
    assertEquals(0, client.reads());
  }

  private void say(String words) {
    say(server, words);
  }

  private static void say(UnixStream server, String words) {
    byte[] bytes = words.getBytes(StandardCharsets.UTF_8);
    int sent = 0;
    while (sent < bytes.length) {
      int result = send(server, bytes, sent);
      assertTrue(result > 0 || result == -Errno.EAGAIN, () -> "sent: " + result);
      sent += Math.max(0, result);
    }
  }

  /** Says {@code words}, waiting for room; false if the client is gone. */
  private boolean trySay(String words) {
    byte[] bytes = words.getBytes(StandardCharsets.UTF_8);
    int sent = 0;
    while (sent < bytes.length) {
      int result = send(server, bytes, sent);
      if (result < 0 && result != -Errno.EAGAIN) {
        return false;
      }
      sent += Math.max(0, result);
    }
    return true;
  }

  private static int send(UnixStream server, byte[] bytes, int from) {
    if (bytes.length == from) {
      return 1;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
      return server.send(segment, from, bytes.length - from);
    }
  }

  /** What the client has said since. */
  private String heard() {
    StringBuilder text = new StringBuilder();
    try (Arena arena = Arena.ofConfined();
        PassedFds passed = new PassedFds(0)) {
      MemorySegment segment = arena.allocate(4096);
      for (int n = server.receive(segment, 0, 4096, passed);
          n > 0;
          n = server.receive(segment, 0, 4096, passed)) {
        text.append(
            new String(
                segment.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.US_ASCII));
      }
    }
    return text.toString();
  }
}
