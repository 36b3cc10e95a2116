package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.posix.fixture.Allocation;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CapturingBackendTest {
  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void nameTheFile() {
    file = folder.resolve("capture.pcapng");
  }

  @Test
  void everyFrameThatCrossedIsInTheFileWithDirectionAndTime() throws IOException {
    long before = nanosNow();
    ScriptedBackend inner = new ScriptedBackend();
    try (CapturingBackend capture = CapturingBackend.open(inner, file)) {
      Frames.send(capture, Frames.numbered(1, 60));
      assertTrue(capture.claim(99));
      capture.abort();
      inner.refuse(1);
      assertTrue(!capture.claim(60));
      inner.deliver(Frames.numbered(2, 1514));
      inner.deliver(Frames.numbered(3, 61));
      capture.peek();
      capture.peek();
      capture.release();
      Frames.look(capture);
      capture.release();
      Frames.send(capture, Frames.numbered(4, 65_549));
      assertEquals(4, capture.captured());
      assertEquals(0, capture.missed());
    }
    assertTrue(inner.isClosed());
    List<Packet> packets = read(Files.readAllBytes(file));
    assertEquals(4, packets.size());
    int[] directions = {2, 1, 1, 2};
    int[] lengths = {60, 1514, 61, 65_549};
    long last = before;
    for (int i = 0; i < 4; i++) {
      assertArrayEquals(Frames.numbered(i + 1, lengths[i]), packets.get(i).frame);
      assertEquals(directions[i], packets.get(i).flags);
      assertTrue(packets.get(i).nanos >= last - 1_000_000_000L);
      last = packets.get(i).nanos;
    }
    assertTrue(last <= nanosNow() + 1_000_000_000L);
  }

  @Test
  void manyFramesOutgrowTheBuffer() throws IOException {
    try (CapturingBackend capture = CapturingBackend.open(new SinkBackend(), file)) {
      for (int i = 0; i < 1000; i++) {
        Frames.send(capture, Frames.numbered(i, 1000 + i % 7));
      }
      // Whole blocks only, at any time.
      assertTrue(read(Files.readAllBytes(file)).size() > 500);
    }
    List<Packet> packets = read(Files.readAllBytes(file));
    assertEquals(1000, packets.size());
    for (int i = 0; i < 1000; i++) {
      assertArrayEquals(Frames.numbered(i, 1000 + i % 7), packets.get(i).frame);
    }
  }

  @Test
  void fileCanBeOpenedBeforeTheFirstFrame() throws IOException {
    try (CapturingBackend capture = CapturingBackend.open(new SinkBackend(), file)) {
      assertEquals(0, capture.captured());
      assertEquals(List.of(), read(Files.readAllBytes(file)));
    }
  }

  @Test
  void quietWireHasItsFramesWrittenSoon() throws IOException {
    try (CapturingBackend capture = CapturingBackend.open(new SinkBackend(), file)) {
      Frames.send(capture, Frames.numbered(1, 60));
      long deadline = System.nanoTime() + 10_000_000_000L;
      while (read(Files.readAllBytes(file)).isEmpty() && System.nanoTime() < deadline) {
        assertEquals(0, capture.peek());
      }
      assertEquals(1, read(Files.readAllBytes(file)).size());
    }
  }

  @Test
  void fullDiskEndsTheCaptureNotTheTraffic() throws IOException {
    SinkBackend inner = new SinkBackend();
    long limit = 300_000;
    CapturingBackend capture =
        new CapturingBackend(inner, new FullDisk(file, limit), file.toString());
    for (int i = 0; i < 1000; i++) {
      Frames.send(capture, Frames.numbered(i, 1000));
    }
    assertEquals(1000, inner.counters().framesOut());
    assertEquals(1000, capture.captured() + capture.missed());
    assertTrue(capture.missed() > 400);
    capture.close();
    List<Packet> packets = read(Files.readAllBytes(file));
    assertTrue(packets.size() > 200, packets.size() + " packets");
    assertEquals(packets.size(), capture.captured());
    assertTrue(Files.size(file) <= limit);
  }

  @Test
  void deviceThatIsFullFromTheStartIsNoErrorEither() throws IOException {
    SinkBackend inner = new SinkBackend();
    try (CapturingBackend capture = CapturingBackend.open(inner, Path.of("/dev/full"))) {
      Frames.send(capture, Frames.numbered(1, 60));
      assertEquals(1, capture.missed());
      assertEquals(1, inner.counters().framesOut());
    }
  }

  @Test
  void fileThatCannotBeMadeIsAnErrorAtOnce() {
    try (SinkBackend inner = new SinkBackend()) {
      assertThrows(
          IOException.class,
          () -> CapturingBackend.open(inner, folder.resolve("no/such/folder.pcapng")));
    }
  }

  @Test
  void nothingIsAllocatedPerFrame() throws IOException {
    try (CapturingBackend capture =
        CapturingBackend.open(new SinkBackend(), Path.of("/dev/null"))) {
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
      // A write every 2000 frames may allocate.
      assertTrue(bytes < 20_000, bytes + " bytes for 20000 frames");
    }
  }

  private static long nanosNow() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000_000L + now.getNano();
  }

  record Packet(long nanos, int flags, byte[] frame) {}

  /** A reader of its own, from the words of the draft: every length is checked both ways. */
  static List<Packet> read(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    List<Packet> packets = new ArrayList<>();
    int blocks = 0;
    while (in.hasRemaining()) {
      int start = in.position();
      int type = in.getInt();
      int length = in.getInt();
      assertEquals(0, length % 4);
      assertEquals(length, in.getInt(start + length - 4));
      ByteBuffer body = in.slice(start + 8, length - 12).order(ByteOrder.LITTLE_ENDIAN);
      if (blocks == 0) {
        assertEquals(0x0A0D0D0A, type);
        assertEquals(0x1A2B3C4D, body.getInt());
        assertEquals(1, body.getShort());
        assertEquals(0, body.getShort());
        assertEquals(-1, body.getLong());
        assertEquals("virtio-lab", new String(option(body, 4)));
      } else if (blocks == 1) {
        assertEquals(1, type);
        assertEquals(1, body.getShort());
        assertEquals(0, body.getShort());
        assertEquals(0, body.getInt());
        assertArrayEquals(
            new byte[] {9}, option(body.duplicate().order(ByteOrder.LITTLE_ENDIAN), 9));
      } else {
        assertEquals(6, type);
        assertEquals(0, body.getInt());
        long nanos = (long) body.getInt() << 32 | Integer.toUnsignedLong(body.getInt());
        byte[] frame = new byte[body.getInt()];
        assertEquals(frame.length, body.getInt());
        body.get(frame);
        body.position((body.position() + 3) / 4 * 4);
        byte[] flags = option(body, 2);
        assertEquals(4, flags.length);
        packets.add(new Packet(nanos, flags[0], frame));
      }
      in.position(start + length);
      blocks++;
    }
    assertTrue(blocks >= 2);
    return packets;
  }

  /** The value of one option; the list must end as it should. */
  private static byte[] option(ByteBuffer body, int wanted) {
    byte[] found = null;
    while (true) {
      int code = body.getShort();
      byte[] value = new byte[body.getShort()];
      if (code == 0) {
        assertEquals(0, value.length);
        assertEquals(0, body.remaining());
        return found;
      }
      body.get(value);
      body.position((body.position() + 3) / 4 * 4);
      if (code == wanted) {
        found = value;
      }
    }
  }

  /** A file on a disk with so much room; the write that meets the end is done in part. */
  private static final class FullDisk implements SeekableByteChannel {
    private final FileChannel inner;
    private final long limit;

    FullDisk(Path file, long limit) throws IOException {
      inner = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      this.limit = limit;
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
      long room = limit - inner.position();
      if (room == 0) {
        throw new IOException("No space left on device");
      }
      int bytes = (int) Math.min(room, source.remaining());
      ByteBuffer part = source.slice(source.position(), bytes);
      source.position(source.position() + bytes);
      return inner.write(part);
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
      return inner.read(target);
    }

    @Override
    public long position() throws IOException {
      return inner.position();
    }

    @Override
    public SeekableByteChannel position(long position) throws IOException {
      inner.position(position);
      return this;
    }

    @Override
    public long size() throws IOException {
      return inner.size();
    }

    @Override
    public SeekableByteChannel truncate(long size) throws IOException {
      inner.truncate(size);
      return this;
    }

    @Override
    public boolean isOpen() {
      return inner.isOpen();
    }

    @Override
    public void close() throws IOException {
      inner.close();
    }
  }
}
