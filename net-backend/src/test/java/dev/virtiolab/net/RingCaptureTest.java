package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.posix.fixture.Allocation;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RingCaptureTest {
  private static final long SEED = Long.getLong("virtiolab.seed", 42);

  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void nameTheFile() {
    file = folder.resolve("ring.pcapng");
  }

  @Test
  void whatCrossedIsSavedBothWaysAlsoAfterTheWireWasClosed() throws IOException {
    ScriptedBackend inner = new ScriptedBackend();
    RingCapture capture = new RingCapture(inner, 1 << 20);
    Frames.send(capture, Frames.numbered(1, 60));
    assertTrue(capture.claim(99));
    capture.abort();
    inner.deliver(Frames.numbered(2, 1514));
    Frames.look(capture);
    capture.release();
    Frames.send(capture, Frames.numbered(3, 61));
    capture.close();
    assertTrue(inner.isClosed());

    assertEquals(0, capture.save(file, "alice", "seed 42\nand more"));
    List<CapturingBackendTest.Packet> packets = CapturingBackendTest.read(Files.readAllBytes(file));
    int[] lengths = {60, 1514, 61};
    int[] ways = {2, 1, 2};
    assertEquals(3, packets.size());
    for (int i = 0; i < 3; i++) {
      assertArrayEquals(Frames.numbered(i + 1, lengths[i]), packets.get(i).frame());
      assertEquals(ways[i], packets.get(i).flags());
    }
    String text = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
    assertTrue(text.contains("alice"));
    assertTrue(text.contains("seed 42\nand more"));
  }

  /** Random lengths, so that records end at every place of the ring; against a plain list. */
  @Test
  void theLastFramesAreKeptInOrderAndAreWhole() throws IOException {
    SplittableRandom random = new SplittableRandom(SEED);
    int capacity = 16 * random.nextInt(256, 1000);
    RingCapture capture = new RingCapture(new SinkBackend(), capacity);
    List<byte[]> all = new ArrayList<>();
    for (int i = 0; i < 3000; i++) {
      byte[] frame = Frames.numbered(i, random.nextInt(14, 1515));
      Frames.send(capture, frame);
      all.add(frame);
      if (i % 101 == 0) {
        check(capture, all, capacity);
      }
    }
    check(capture, all, capacity);
    capture.close();
  }

  private void check(RingCapture capture, List<byte[]> all, int capacity) throws IOException {
    String seed = "seed " + SEED;
    long missing = capture.save(file, "ring", "");
    List<CapturingBackendTest.Packet> packets = CapturingBackendTest.read(Files.readAllBytes(file));
    assertEquals(all.size(), missing + packets.size(), seed);
    assertEquals(capture.kept(), packets.size(), seed);
    int bytes = 0;
    for (int i = 0; i < packets.size(); i++) {
      byte[] frame = all.get((int) missing + i);
      assertArrayEquals(frame, packets.get(i).frame(), seed);
      bytes += (16 + frame.length + 15) / 16 * 16;
    }
    assertTrue(bytes <= capacity, seed);
    if (missing > 0) {
      int before = all.get((int) missing - 1).length;
      assertTrue(bytes + (16 + before + 15) / 16 * 16 > capacity, seed + ": one more had room");
    }
  }

  @Test
  void aFrameThatDoesNotFitCrossesAllTheSame() throws IOException {
    ScriptedBackend inner = new ScriptedBackend();
    RingCapture capture = new RingCapture(inner, RingCapture.LEAST_CAPACITY);
    Frames.send(capture, Frames.numbered(1, 100));
    Frames.send(capture, Frames.numbered(2, 9000));
    assertEquals(2, capture.captured());
    assertEquals(1, capture.kept());
    assertEquals(1, capture.save(file, "ring", ""));
    capture.close();
    assertThrows(IllegalArgumentException.class, () -> new RingCapture(inner, 100));
  }

  @Test
  void aCommentThatIsTooLongIsCutShort() throws IOException {
    RingCapture capture = new RingCapture(new SinkBackend(), RingCapture.LEAST_CAPACITY);
    capture.save(file, "ring", "x".repeat(100_000));
    assertTrue(CapturingBackendTest.read(Files.readAllBytes(file)).isEmpty());
    capture.close();
  }

  @Test
  void nothingIsAllocatedPerFrame() {
    try (RingCapture capture = new RingCapture(new SinkBackend(), 1 << 16)) {
      long bytes =
          Allocation.bytesOf(
              5,
              () -> {
                for (int i = 0; i < 20_000; i++) {
                  capture.claim(64);
                  capture.claimed().set(ValueLayout.JAVA_BYTE, capture.claimedOffset(), (byte) i);
                  capture.commit();
                }
              });
      assertFalse(bytes > 1000, bytes + " bytes for 20000 frames");
    }
  }
}
