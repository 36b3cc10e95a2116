package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.PassedFds;
import dev.virtiolab.posix.UnixStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One message at a time, in private memory: received piece by piece as it comes, checked, read; or
 * filled in and sent.
 */
final class Message implements AutoCloseable {
  /** What {@link #receive} came to. */
  enum Arrival {
    /** There is more to come. */
    PARTIAL,
    /** A whole message is here. */
    WHOLE,
    /** The peer has closed its end; what was begun is void. */
    CLOSED,
    /** The stream cannot be understood from here on: {@link #fault()} says why. */
    GARBLED
  }

  private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED;

  private static final int PAYLOAD = VhostUserLayout.HEADER_BYTES;

  private final MemorySegment bytes =
      Arena.ofAuto()
          .allocate(VhostUserLayout.HEADER_BYTES + VhostUserLayout.MAX_PAYLOAD_BYTES, Long.BYTES);
  private final PassedFds fds = new PassedFds(VhostUserLayout.MAX_FDS);
  private int have;
  private int sent;
  private String fault = "";

  // ---- receiving

  /**
   * Reads what there is of the next message; the one before is forgotten, and descriptors that
   * nobody took are closed.
   */
  Arrival receive(UnixStream from) {
    if (have >= VhostUserLayout.HEADER_BYTES && have == VhostUserLayout.HEADER_BYTES + size()) {
      clear();
    }
    while (true) {
      int want = VhostUserLayout.HEADER_BYTES;
      if (have >= want) {
        // The header is checked once it is there, and never read again from the peer.
        if (!headerMakesSense()) {
          return Arrival.GARBLED;
        }
        want += size();
        if (have == want) {
          return Arrival.WHOLE;
        }
      }
      int got = from.receive(bytes, have, want - have, fds);
      if (got == -Errno.EAGAIN || got == -Errno.EINTR) {
        return Arrival.PARTIAL;
      }
      if (got <= 0) {
        return Arrival.CLOSED;
      }
      have += got;
    }
  }

  private boolean headerMakesSense() {
    if ((flags() & VhostUserLayout.VERSION_MASK) != VhostUserLayout.VERSION) {
      fault = "version " + (flags() & VhostUserLayout.VERSION_MASK) + " of the protocol";
    } else if (Integer.compareUnsigned(size(), VhostUserLayout.MAX_PAYLOAD_BYTES) > 0) {
      fault = "a payload of " + Integer.toUnsignedString(size()) + " bytes";
    } else {
      return true;
    }
    return false;
  }

  /** Why the stream is garbled. */
  String fault() {
    return fault;
  }

  /** Forgets what has been received, and closes what nobody took. */
  void clear() {
    have = 0;
    fds.clear();
  }

  PassedFds fds() {
    return fds;
  }

  int number() {
    return bytes.get(U32, VhostUserLayout.REQUEST);
  }

  int flags() {
    return bytes.get(U32, VhostUserLayout.FLAGS);
  }

  /** Bytes of payload. */
  int size() {
    return bytes.get(U32, VhostUserLayout.SIZE);
  }

  boolean needsReply() {
    return (flags() & VhostUserLayout.NEED_REPLY) != 0;
  }

  boolean isReply() {
    return (flags() & VhostUserLayout.REPLY) != 0;
  }

  // ---- the payload

  int u8(int offset) {
    return bytes.get(ValueLayout.JAVA_BYTE, PAYLOAD + offset) & 0xff;
  }

  int u16(int offset) {
    return bytes.get(U16, PAYLOAD + offset) & 0xffff;
  }

  int u32(int offset) {
    return bytes.get(U32, PAYLOAD + offset);
  }

  long u64(int offset) {
    return bytes.get(U64, PAYLOAD + offset);
  }

  Message u8(int offset, int value) {
    bytes.set(ValueLayout.JAVA_BYTE, PAYLOAD + offset, (byte) value);
    return this;
  }

  Message u16(int offset, int value) {
    bytes.set(U16, PAYLOAD + offset, (short) value);
    return this;
  }

  Message u32(int offset, int value) {
    bytes.set(U32, PAYLOAD + offset, value);
    return this;
  }

  Message u64(int offset, long value) {
    bytes.set(U64, PAYLOAD + offset, value);
    return this;
  }

  // ---- sending

  /** Becomes a message to send, with a payload of zeros. */
  Message become(int number, int flags, int size) {
    bytes.set(U32, VhostUserLayout.REQUEST, number);
    bytes.set(U32, VhostUserLayout.FLAGS, VhostUserLayout.VERSION | flags);
    bytes.set(U32, VhostUserLayout.SIZE, size);
    bytes.asSlice(PAYLOAD, size).fill((byte) 0);
    have = 0;
    sent = 0;
    return this;
  }

  /**
   * Sends what there is room for, from where the last call ended; descriptors go with the first
   * byte.
   *
   * @return whether all of it is sent; {@code false} if there is no more room now
   * @throws java.io.IOException if the peer is gone
   */
  boolean send(UnixStream to, int... passed) throws java.io.IOException {
    int all = VhostUserLayout.HEADER_BYTES + size();
    while (sent < all) {
      int now = sent == 0 ? to.send(bytes, 0, all, passed) : to.send(bytes, sent, all - sent);
      if (now == -Errno.EAGAIN) {
        return false;
      }
      if (now < 0) {
        throw new java.io.IOException("send: " + Errno.text(-now));
      }
      sent += now;
    }
    return true;
  }

  /** Whether the message was begun and not ended. */
  boolean halfSent() {
    return sent != 0 && sent < VhostUserLayout.HEADER_BYTES + size();
  }

  @Override
  public void close() {
    clear();
  }
}
