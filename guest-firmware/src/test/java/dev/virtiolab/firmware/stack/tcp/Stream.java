package dev.virtiolab.firmware.stack.tcp;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One direction of a transfer: bytes that follow from a seed, and how many are sent and checked.
 */
final class Stream {
  private final long seed;
  private final long length;
  private final MemorySegment chunk;
  private long sent;
  private long received;
  private boolean ended;

  Stream(long seed, long length, int chunkBytes) {
    this.seed = seed;
    this.length = length;
    chunk = MemorySegment.ofArray(new byte[chunkBytes]);
  }

  /** Any byte of the stream, without those before it. */
  private byte at(long index) {
    return (byte) ((seed + index / 251) * 0x9e3779b97f4a7c15L >>> 40 ^ index);
  }

  /** Gives what the connection takes now, and shuts it at the end; false if it takes no more. */
  boolean feed(TcpConnection to) {
    if (sent == length) {
      to.shutdownOutput();
      return true;
    }
    int want = (int) Math.min(chunk.byteSize(), Math.min(length - sent, to.sendable()));
    for (int i = 0; i < want; i++) {
      chunk.set(ValueLayout.JAVA_BYTE, i, at(sent + i));
    }
    int taken = to.send(chunk, 0, want);
    if (taken < 0) {
      return false;
    }
    if (taken != want) {
      throw new AssertionError("took " + taken + " of " + want);
    }
    sent += taken;
    return true;
  }

  /** Takes and checks what is there. */
  void drain(TcpConnection from) {
    int given = from.receive(chunk, 0, (int) chunk.byteSize());
    if (given < 0) {
      ended = true;
      return;
    }
    for (int i = 0; i < given; i++) {
      byte there = chunk.get(ValueLayout.JAVA_BYTE, i);
      if (there != at(received + i)) {
        throw new AssertionError("byte " + (received + i) + " is " + there);
      }
    }
    received += given;
  }

  boolean isDone() {
    return ended && received == length;
  }

  boolean isEnded() {
    return ended;
  }

  @Override
  public String toString() {
    return "sent=" + sent + " received=" + received + " of " + length + " ended=" + ended;
  }
}
