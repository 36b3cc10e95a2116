package dev.virtiolab.net.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.virtiolab.net.NetBackend;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** What tests do at either end of a stream. */
final class Wire {
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private Wire() {}

  /** Waits for something that another thread does. */
  static void await(String what, BooleanSupplier condition) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - start > DEADLINE_NANOS) {
        fail("never came: " + what);
      }
      Thread.yield();
    }
  }

  static void awaitLink(NetBackend... backends) {
    for (NetBackend backend : backends) {
      await("the link of " + backend, backend::linkUp);
    }
  }

  // The device's end.

  static byte[] frame(int number, int length) {
    byte[] frame = new byte[length];
    for (int i = 0; i < length; i++) {
      frame[i] = (byte) (number * 31 + i * 7 + (number >>> 8));
    }
    return frame;
  }

  static boolean tryCommit(NetBackend backend, byte[] frame) {
    if (!backend.claim(frame.length)) {
      return false;
    }
    MemorySegment.copy(
        frame, 0, backend.claimed(), ValueLayout.JAVA_BYTE, backend.claimedOffset(), frame.length);
    backend.commit();
    return true;
  }

  static void send(NetBackend backend, byte[] frame) {
    assertTrue(tryCommit(backend, frame));
    backend.flush();
  }

  /** The next frame; waits for it. */
  static byte[] receive(NetBackend backend) {
    await("a frame at " + backend, () -> backend.peek() != 0);
    byte[] frame = new byte[backend.peek()];
    MemorySegment.copy(
        backend.peeked(), ValueLayout.JAVA_BYTE, backend.peekedOffset(), frame, 0, frame.length);
    backend.release();
    return frame;
  }

  // The peer's end, by Java's own sockets.

  static StreamAddress.Tcp anyPort() {
    return new StreamAddress.Tcp("127.0.0.1", 0);
  }

  static SocketChannel connect(StreamBackend server) {
    return connect(server.address());
  }

  static SocketChannel connect(StreamAddress address) {
    try {
      return SocketChannel.open(address.toSocketAddress());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static ServerSocketChannel listenUnix(Path path) throws IOException {
    return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
        .bind(UnixDomainSocketAddress.of(path));
  }

  static ByteBuffer framed(byte[]... frames) {
    int bytes = 0;
    for (byte[] frame : frames) {
      bytes += 4 + frame.length;
    }
    ByteBuffer wire = ByteBuffer.allocate(bytes);
    for (byte[] frame : frames) {
      wire.putInt(frame.length).put(frame);
    }
    return wire.flip();
  }

  static void write(SocketChannel socket, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      socket.write(bytes);
    }
  }

  static byte[] read(SocketChannel socket, int bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes);
    while (buffer.hasRemaining()) {
      if (socket.read(buffer) < 0) {
        fail("the connection ended after " + buffer.position() + " of " + bytes + " bytes");
      }
    }
    return buffer.array();
  }

  static byte[] readFrame(SocketChannel socket) throws IOException {
    return read(socket, ByteBuffer.wrap(read(socket, 4)).getInt());
  }

  /** The other end closes, and says nothing more before. */
  static void assertEnds(SocketChannel socket) {
    int got;
    try {
      got = socket.read(ByteBuffer.allocate(1));
    } catch (IOException e) {
      return; // reset: bytes that nobody read were under way
    }
    assertEquals(-1, got);
  }
}
