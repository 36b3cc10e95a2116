package dev.virtiolab.net;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/**
 * Writes one pcapng section with one Ethernet interface. Blocks are gathered in a buffer, and the
 * file grows by whole blocks only, so that what is there at any time can be opened.
 */
final class PcapngWriter {
  private static final int BUFFER_BYTES = 256 * 1024;
  private static final int FLAGS_OPTION_BYTES = 2 * PcapngLayout.OPTION_HEADER_BYTES + 4;
  private static final int PACKET_BLOCK_BYTES =
      PcapngLayout.BLOCK_HEADER_BYTES
          + PcapngLayout.PACKET_FIELDS_BYTES
          + FLAGS_OPTION_BYTES
          + PcapngLayout.BLOCK_TRAILER_BYTES;

  /** An option's length has 16 bits; one is left to readers that take it for a sign. */
  private static final int MAX_COMMENT_BYTES = 0x7fff;

  private static final long NANOS_PER_SECOND = 1_000_000_000;

  private final SeekableByteChannel channel;
  private final ByteBuffer buffer =
      ByteBuffer.allocateDirect(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private final MemorySegment bufferSegment = MemorySegment.ofBuffer(buffer);

  /** Add to {@link System#nanoTime()} to get nanoseconds since 1970. */
  private final long epochNanos;

  PcapngWriter(SeekableByteChannel channel, String interfaceName) {
    this(channel, interfaceName, "");
  }

  /**
   * Likewise.
   *
   * @param comment of the whole section; what is past {@value #MAX_COMMENT_BYTES} bytes is left out
   */
  PcapngWriter(SeekableByteChannel channel, String interfaceName, String comment) {
    this.channel = channel;
    Instant now = Instant.now();
    epochNanos = now.getEpochSecond() * NANOS_PER_SECOND + now.getNano() - System.nanoTime();
    putSectionHeader(comment);
    putInterface(interfaceName);
  }

  /** Whether a frame fits into the buffer without a {@link #flush()}. */
  boolean hasRoom(int length) {
    return buffer.remaining() >= PACKET_BLOCK_BYTES + (length + 3 & ~3);
  }

  /**
   * Adds a frame, for which there is {@linkplain #hasRoom room}.
   *
   * @param direction {@link PcapngLayout#INBOUND} or {@link PcapngLayout#OUTBOUND}
   */
  void packet(MemorySegment memory, long offset, int length, int direction) {
    packet(memory, offset, length, direction, System.nanoTime());
  }

  /**
   * Likewise.
   *
   * @param nanoTime when it crossed, as {@link System#nanoTime()} said then
   */
  void packet(MemorySegment memory, long offset, int length, int direction, long nanoTime) {
    int padded = length + 3 & ~3;
    int blockBytes = PACKET_BLOCK_BYTES + padded;
    long nanos = epochNanos + nanoTime;
    buffer.putInt(PcapngLayout.ENHANCED_PACKET).putInt(blockBytes);
    buffer.putInt(0); // the only interface
    buffer.putInt((int) (nanos >>> 32)).putInt((int) nanos);
    buffer.putInt(length).putInt(length);
    MemorySegment.copy(memory, offset, bufferSegment, buffer.position(), length);
    buffer.position(buffer.position() + length);
    pad();
    putOption(PcapngLayout.EPB_FLAGS, 4);
    buffer.putInt(direction);
    putOption(PcapngLayout.OPT_ENDOFOPT, 0);
    buffer.putInt(blockBytes);
  }

  boolean isDirty() {
    return buffer.position() > 0;
  }

  /** Writes what was gathered. After a failure the file is cut back to whole blocks. */
  void flush() throws IOException {
    long whole = channel.position();
    buffer.flip();
    try {
      while (buffer.hasRemaining()) {
        channel.write(buffer);
      }
    } catch (IOException e) {
      try {
        channel.truncate(whole);
      } catch (IOException again) {
        e.addSuppressed(again);
      }
      throw e;
    } finally {
      buffer.clear();
    }
  }

  void close() throws IOException {
    channel.close();
  }

  private void putSectionHeader(String comment) {
    int start = beginBlock(PcapngLayout.SECTION_HEADER);
    buffer.putInt(PcapngLayout.BYTE_ORDER_MAGIC);
    buffer.putShort(PcapngLayout.MAJOR_VERSION).putShort(PcapngLayout.MINOR_VERSION);
    buffer.putLong(PcapngLayout.SECTION_LENGTH_UNKNOWN);
    putText(PcapngLayout.SHB_USERAPPL, "virtio-lab");
    if (!comment.isEmpty()) {
      putText(PcapngLayout.OPT_COMMENT, comment);
    }
    putOption(PcapngLayout.OPT_ENDOFOPT, 0);
    endBlock(start);
  }

  private void putInterface(String name) {
    int start = beginBlock(PcapngLayout.INTERFACE_DESCRIPTION);
    buffer.putShort(PcapngLayout.LINKTYPE_ETHERNET).putShort((short) 0);
    buffer.putInt(PcapngLayout.SNAPLEN_NO_LIMIT);
    putText(PcapngLayout.IF_NAME, name);
    putOption(PcapngLayout.IF_TSRESOL, 1);
    buffer.put(PcapngLayout.NANOSECONDS);
    pad();
    putOption(PcapngLayout.OPT_ENDOFOPT, 0);
    endBlock(start);
  }

  private int beginBlock(int type) {
    int start = buffer.position();
    buffer.putInt(type).putInt(0);
    return start;
  }

  private void endBlock(int start) {
    int bytes = buffer.position() - start + PcapngLayout.BLOCK_TRAILER_BYTES;
    buffer.putInt(bytes);
    buffer.putInt(start + Integer.BYTES, bytes);
  }

  private void putText(short code, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(bytes.length, MAX_COMMENT_BYTES);
    putOption(code, length);
    buffer.put(bytes, 0, length);
    pad();
  }

  private void putOption(short code, int length) {
    buffer.putShort(code).putShort((short) length);
  }

  private void pad() {
    while ((buffer.position() & 3) != 0) {
      buffer.put((byte) 0);
    }
  }
}
