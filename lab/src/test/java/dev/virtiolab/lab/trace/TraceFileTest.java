package dev.virtiolab.lab.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The bytes of a timeline, read by a JSON parser that knows nothing of how they were made. */
class TraceFileTest {
  @TempDir private Path folder;

  private static JsonNode parse(String text) {
    return JsonMapper.shared().readTree(text);
  }

  @Test
  void everyFieldReadsBackAsItWasWritten() throws IOException {
    Path path = folder.resolve("t.json");
    try (TraceFile file = TraceFile.open(path)) {
      file.begin('X', "chain", 1, 2, 1_234_567)
          .lasting(1_002)
          .number("least", Long.MIN_VALUE)
          .number("zero", 0)
          .address("none", 0)
          .address("high", -1L)
          .text("why", "a \"quoted\" \\ line\nand \u00e9")
          .end();
      file.begin('b', "READ", 2, 1, 5).joinedBy("mapping", 0x1f).end();
      file.begin('i', "kick", 2, 1, 999).ofTrack().end();
    }
    JsonNode events = parse(Files.readString(path));
    assertEquals(3, events.size());
    JsonNode chain = events.get(0);
    assertEquals("X", chain.get("ph").asString());
    assertEquals(1234.567, chain.get("ts").asDouble());
    assertEquals(1.002, chain.get("dur").asDouble());
    assertEquals(Long.MIN_VALUE, chain.get("args").get("least").asLong());
    assertEquals(0, chain.get("args").get("zero").asLong());
    assertEquals("0x0", chain.get("args").get("none").asString());
    assertEquals("0xffffffffffffffff", chain.get("args").get("high").asString());
    assertEquals("a \"quoted\" \\ line\nand \u00e9", chain.get("args").get("why").asString());
    assertEquals("0x1f", events.get(1).get("id").asString());
    assertEquals("mapping", events.get(1).get("cat").asString());
    assertEquals("t", events.get(2).get("s").asString());
    assertEquals(0.999, events.get(2).get("ts").asDouble());
  }

  @Test
  void aTimelineWithoutAnEventIsAnEmptyArray() throws IOException {
    Path path = folder.resolve("t.json");
    TraceFile.open(path).close();
    assertEquals(0, parse(Files.readString(path)).size());
  }

  @Test
  void anEventWithLongTextsStillFits() throws IOException {
    Path path = folder.resolve("t.json");
    try (TraceFile file = TraceFile.open(path)) {
      for (int i = 0; i < 500; i++) {
        file.begin('i', "\u0001".repeat(10_000), 1, 1, i)
            .text("why", "\u0002".repeat(10_000))
            .text("more", "\u0003".repeat(10_000))
            .end();
      }
    }
    assertEquals(500, parse(Files.readString(path)).size());
  }

  /** A disk with so many bytes left. */
  private record SmallDisk(FileChannel channel, long room) implements SeekableByteChannel {
    @Override
    public int write(ByteBuffer source) throws IOException {
      long left = room - channel.position();
      if (left <= 0) {
        throw new IOException("No space left on device");
      }
      int limit = source.limit();
      source.limit((int) Math.min(limit, source.position() + left));
      int written = channel.write(source);
      source.limit(limit);
      return written;
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
      return channel.read(target);
    }

    @Override
    public long position() throws IOException {
      return channel.position();
    }

    @Override
    public SeekableByteChannel position(long position) throws IOException {
      return channel.position(position);
    }

    @Override
    public long size() throws IOException {
      return channel.size();
    }

    @Override
    public SeekableByteChannel truncate(long size) throws IOException {
      return channel.truncate(size);
    }

    @Override
    public boolean isOpen() {
      return channel.isOpen();
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }

  @Test
  void aFullDiskEndsTheTraceAtAWholeEventAndCountsTheRest() throws IOException {
    Path path = folder.resolve("t.json");
    FileChannel channel =
        FileChannel.open(
            path,
            List.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE)
                .toArray(StandardOpenOption[]::new));
    TraceFile file = new TraceFile(new SmallDisk(channel, 600_000), "t.json");
    int events = 20_000;
    for (int i = 0; i < events; i++) {
      file.begin('i', "kick", 1, 1, i).ofTrack().number("n", i).end();
    }
    file.close();
    String text = Files.readString(path);
    // Viewers take an array whose closing bracket is missing; a parser has to be helped.
    JsonNode whole = parse(text + "]");
    assertTrue(whole.size() > 1000, "events=" + whole.size());
    assertEquals(file.written(), whole.size());
    assertEquals(events, file.written() + file.missed());
    for (int i = 0; i < whole.size(); i++) {
      assertEquals(i, whole.get(i).get("args").get("n").asInt());
    }
  }
}
