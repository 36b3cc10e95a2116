package dev.virtiolab.pci.vfiouser;

import static dev.virtiolab.pci.vfiouser.VfioUserLayout.HEADER_BYTES;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A message: one that is being read, and then becomes its own reply, or one that is asked. It lies
 * in this process's memory: what was checked stays as it was.
 *
 * <p>Offsets are of {@link VfioUserLayout}, from the end of the header; the caller has compared
 * them with {@link #payloadBytes()}.
 */
final class Message {
  /** The most data in one message, the protocol's default for max_data_xfer_size. */
  static final int MAX_DATA_BYTES = 1 << 20;

  /** The longest payload: what is around the data has 16 bytes at most. */
  static final int MAX_PAYLOAD_BYTES = MAX_DATA_BYTES + 16;

  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.nativeOrder());
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.nativeOrder());
  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.nativeOrder());

  private final MemorySegment bytes;

  /** One that any message can be read to. */
  Message() {
    this(MAX_PAYLOAD_BYTES);
  }

  /** One with room for so long a payload. */
  Message(int payloadBytes) {
    bytes = Arena.ofAuto().allocate(HEADER_BYTES + payloadBytes, Long.BYTES);
  }

  /** All of it, header first. */
  MemorySegment bytes() {
    return bytes;
  }

  // ---- header

  int id() {
    return Short.toUnsignedInt(bytes.get(U16, VfioUserLayout.MESSAGE_ID));
  }

  int command() {
    return Short.toUnsignedInt(bytes.get(U16, VfioUserLayout.COMMAND));
  }

  /** The whole message, by its own word: from 0 to 2^32 - 1. */
  long size() {
    return Integer.toUnsignedLong(bytes.get(U32, VfioUserLayout.MESSAGE_SIZE));
  }

  int flags() {
    return bytes.get(U32, VfioUserLayout.FLAGS);
  }

  boolean isCommand() {
    return (flags() & VfioUserLayout.TYPE_MASK) == VfioUserLayout.TYPE_COMMAND;
  }

  boolean isReply() {
    return (flags() & VfioUserLayout.TYPE_MASK) == VfioUserLayout.TYPE_REPLY;
  }

  /** Of a reply. */
  boolean isError() {
    return (flags() & VfioUserLayout.FLAG_ERROR) != 0;
  }

  /** What went wrong, where {@link #isError}; may be 0. */
  int error() {
    return bytes.get(U32, VfioUserLayout.ERROR);
  }

  /** Turns it into a command that is to be answered, with so long a payload. */
  void command(int id, int command, int payload) {
    bytes.set(U16, VfioUserLayout.MESSAGE_ID, (short) id);
    bytes.set(U16, VfioUserLayout.COMMAND, (short) command);
    bytes.set(U32, VfioUserLayout.MESSAGE_SIZE, HEADER_BYTES + payload);
    bytes.set(U32, VfioUserLayout.FLAGS, VfioUserLayout.TYPE_COMMAND);
    bytes.set(U32, VfioUserLayout.ERROR, 0);
  }

  boolean wantsReply() {
    return (flags() & VfioUserLayout.FLAG_NO_REPLY) == 0;
  }

  /** Turns it into its reply, with a payload of {@code payload} bytes that is in place. */
  void reply(int payload) {
    bytes.set(U32, VfioUserLayout.MESSAGE_SIZE, HEADER_BYTES + payload);
    bytes.set(U32, VfioUserLayout.FLAGS, VfioUserLayout.TYPE_REPLY);
    bytes.set(U32, VfioUserLayout.ERROR, 0);
  }

  /** Turns it into a reply that says what went wrong: a header and nothing else. */
  void replyError(int errno) {
    bytes.set(U32, VfioUserLayout.MESSAGE_SIZE, HEADER_BYTES);
    bytes.set(U32, VfioUserLayout.FLAGS, VfioUserLayout.TYPE_REPLY | VfioUserLayout.FLAG_ERROR);
    bytes.set(U32, VfioUserLayout.ERROR, errno);
  }

  // ---- payload

  int payloadBytes() {
    return (int) size() - HEADER_BYTES;
  }

  /**
   * @throws Refusal EINVAL if the payload is shorter
   */
  void needPayload(long least) throws Refusal {
    if (payloadBytes() < least) {
      throw Refusal.invalid("a payload of " + payloadBytes() + " bytes, not " + least);
    }
  }

  int u16(int offset) {
    return Short.toUnsignedInt(bytes.get(U16, HEADER_BYTES + offset));
  }

  void u16(int offset, int value) {
    bytes.set(U16, HEADER_BYTES + offset, (short) value);
  }

  int u32(int offset) {
    return bytes.get(U32, HEADER_BYTES + offset);
  }

  void u32(int offset, int value) {
    bytes.set(U32, HEADER_BYTES + offset, value);
  }

  long u64(int offset) {
    return bytes.get(U64, HEADER_BYTES + offset);
  }

  void u64(int offset, long value) {
    bytes.set(U64, HEADER_BYTES + offset, value);
  }

  /** A little-endian number of 1, 2, 4 or 8 bytes: PCI's order, whatever the host's is. */
  long le(int offset, int width) {
    long value = 0;
    for (int i = width - 1; i >= 0; i--) {
      value = value << 8 | u8(offset + i);
    }
    return value;
  }

  void le(int offset, int width, long value) {
    for (int i = 0; i < width; i++) {
      bytes.set(ValueLayout.JAVA_BYTE, HEADER_BYTES + offset + i, (byte) (value >>> 8 * i));
    }
  }

  int u8(int offset) {
    return bytes.get(ValueLayout.JAVA_BYTE, HEADER_BYTES + offset) & 0xff;
  }

  byte[] array(int offset, int length) {
    return bytes.asSlice(HEADER_BYTES + offset, length).toArray(ValueLayout.JAVA_BYTE);
  }

  void array(int offset, byte[] data) {
    MemorySegment.copy(data, 0, bytes, ValueLayout.JAVA_BYTE, HEADER_BYTES + offset, data.length);
  }
}
