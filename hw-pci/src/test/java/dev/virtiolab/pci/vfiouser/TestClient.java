package dev.virtiolab.pci.vfiouser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.PassedFds;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.UnixStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/** The hypervisor's side of the socket, by numbers of the protocol's text. */
final class TestClient implements AutoCloseable {
  static final int HEADER = 16;

  private static final int[] NONE = {};
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(30);

  /**
   * An answer.
   *
   * @param errno 0 where it is no error
   */
  record Reply(int id, int command, int flags, int errno, ByteBuffer payload) {
    int u32(int at) {
      return payload.getInt(at);
    }

    long u64(int at) {
      return payload.getLong(at);
    }
  }

  private final UnixStream stream;
  private final MemorySegment buffer = Arena.ofAuto().allocate((1 << 20) + 64);
  private int nextId = 7;

  private TestClient(UnixStream stream) {
    this.stream = stream;
  }

  /** Connects, and says nothing. */
  static TestClient connect(String path) {
    long start = System.nanoTime();
    while (true) {
      try {
        return new TestClient(UnixStream.connect(path));
      } catch (PosixException e) {
        // EAGAIN: too many wait to be accepted.
        if (e.errno() != Errno.EAGAIN || System.nanoTime() - start > DEADLINE_NANOS) {
          throw e;
        }
        Thread.onSpinWait();
      }
    }
  }

  /** Connects and agrees on a version. */
  static TestClient open(String path) {
    TestClient client = connect(path);
    Reply reply = client.version(0, 1, "{\"capabilities\":{\"max_msg_fds\":8}}\0");
    assertEquals(0, reply.errno());
    return client;
  }

  Reply version(int major, int minor, String data) {
    byte[] text = data.getBytes(StandardCharsets.UTF_8);
    ByteBuffer payload = payload(4 + text.length);
    payload.putShort((short) major).putShort((short) minor).put(text);
    return ask(1, payload);
  }

  /** A payload of so many bytes, in the host's order. */
  static ByteBuffer payload(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.nativeOrder());
  }

  /** Sends a command and waits for its reply. */
  Reply ask(int command, ByteBuffer payload, int... fds) {
    int id = tell(command, 0, payload, fds);
    Reply reply = reply();
    assertEquals(id, reply.id());
    assertEquals(command, reply.command());
    assertEquals(reply.errno() == 0 ? 1 : 0x21, reply.flags());
    return reply;
  }

  /** Sends a command. */
  int tell(int command, int flags, ByteBuffer payload, int... fds) {
    int id = nextId++;
    byte[] body = payload.array();
    ByteBuffer message = payload(HEADER + body.length);
    message.putShort((short) id).putShort((short) command).putInt(HEADER + body.length);
    message.putInt(flags).putInt(0).put(body);
    send(message.array(), fds);
    return id;
  }

  /** Sends bytes as they are; the server may be gone. */
  boolean send(byte[] bytes, int... fds) {
    MemorySegment out = Arena.ofAuto().allocate(Math.max(1, bytes.length));
    MemorySegment.copy(bytes, 0, out, ValueLayout.JAVA_BYTE, 0, bytes.length);
    long start = System.nanoTime();
    for (int sent = 0; sent < bytes.length; ) {
      int result = stream.send(out, sent, bytes.length - sent, sent == 0 ? fds : NONE);
      if (result > 0) {
        sent += result;
      } else if (result != -Errno.EAGAIN) {
        return false;
      } else if (System.nanoTime() - start > DEADLINE_NANOS) {
        fail("the server does not read");
      }
    }
    return true;
  }

  /** The next reply. */
  Reply reply() {
    Reply reply = replyOrEnd();
    if (reply == null) {
      fail("the server closed the connection");
    }
    return reply;
  }

  /** The next reply, or null if the server closes the connection. */
  Reply replyOrEnd() {
    if (!read(0, HEADER)) {
      return null;
    }
    ByteBuffer header = buffer.asSlice(0, HEADER).asByteBuffer().order(ByteOrder.nativeOrder());
    int size = header.getInt(4);
    if (size < HEADER || size > buffer.byteSize()) {
      fail("a reply of " + size + " bytes");
    }
    if (!read(HEADER, size - HEADER)) {
      fail("a reply that was cut");
    }
    byte[] payload = buffer.asSlice(HEADER, size - HEADER).toArray(ValueLayout.JAVA_BYTE);
    boolean error = (header.getInt(8) & 0x20) != 0;
    return new Reply(
        header.getShort(0) & 0xffff,
        header.getShort(2),
        header.getInt(8),
        error ? header.getInt(12) : 0,
        ByteBuffer.wrap(payload).order(ByteOrder.nativeOrder()));
  }

  private boolean read(int at, int bytes) {
    try (PassedFds fds = new PassedFds(8);
        Poll poll = new Poll(1)) {
      poll.add(stream.fd());
      for (int have = 0; have < bytes; ) {
        int result = stream.receive(buffer, at + have, bytes - have, fds);
        if (result > 0) {
          have += result;
        } else if (result == -Errno.EAGAIN) {
          if (poll.await(DEADLINE_NANOS) == 0) {
            fail("no reply");
          }
        } else {
          return false;
        }
      }
      return true;
    }
  }

  // ---- the commands that tests use most

  Reply map(long address, long size, int flags, long offset, int... fds) {
    ByteBuffer payload = payload(32);
    payload.putInt(32).putInt(flags).putLong(offset).putLong(address).putLong(size);
    return ask(2, payload, fds);
  }

  Reply unmap(long address, long size, int flags) {
    ByteBuffer payload = payload(24);
    payload.putInt(24).putInt(flags).putLong(address).putLong(size);
    return ask(3, payload);
  }

  Reply regionInfo(int index) {
    ByteBuffer payload = payload(32);
    payload.putInt(32).putInt(0).putInt(index);
    return ask(5, payload);
  }

  Reply irqInfo(int index) {
    ByteBuffer payload = payload(16);
    payload.putInt(16).putInt(0).putInt(index);
    return ask(7, payload);
  }

  Reply setIrqs(int flags, int index, int start, int count, byte[] data, int... fds) {
    ByteBuffer payload = payload(20 + data.length);
    payload.putInt(20 + data.length).putInt(flags).putInt(index).putInt(start).putInt(count);
    payload.put(data);
    return ask(8, payload, fds);
  }

  Reply setIrqs(int flags, int index, int start, int count, int... fds) {
    return setIrqs(flags, index, start, count, new byte[0], fds);
  }

  Reply read(int region, long offset, int count) {
    ByteBuffer payload = payload(16);
    payload.putLong(offset).putInt(region).putInt(count);
    return ask(9, payload);
  }

  /** Reads 1, 2, 4 or 8 bytes that PCI has in its own order. */
  long readLe(int region, long offset, int width) {
    Reply reply = read(region, offset, width);
    assertEquals(0, reply.errno());
    assertEquals(16 + width, reply.payload().capacity());
    long value = 0;
    for (int i = width - 1; i >= 0; i--) {
      value = value << 8 | reply.payload().get(16 + i) & 0xff;
    }
    return value;
  }

  Reply write(int region, long offset, byte... data) {
    ByteBuffer payload = payload(16 + data.length);
    payload.putLong(offset).putInt(region).putInt(data.length).put(data);
    return ask(10, payload);
  }

  @Override
  public void close() {
    stream.close();
  }
}
