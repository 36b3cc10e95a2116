package dev.virtiolab.pci.vfiouser;

import dev.virtiolab.pci.fixture.VfioUserClient;
import dev.virtiolab.posix.Errno;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Memory of a client's that it gives by messages alone, in one of two ways to count. */
final class MessagedRam {
  static final int READ = 11;
  static final int WRITE = 12;

  /** How the structure of a request is laid out. */
  enum Layout {
    /** By the protocol's text: a count of 64 bits, then the data. */
    TEXT,
    /** QEMU's: a count of 32 bits, then the data, then 4 bytes that say nothing. */
    QEMU
  }

  final ByteBuffer bytes = ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);

  /** Bytes of each read and each write that was carried out, in order; writes are negative. */
  final List<Integer> counts = new ArrayList<>();

  private final VfioUserClient client;
  private final Layout layout;
  private final long most;

  MessagedRam(VfioUserClient client, Layout layout, long most) {
    this.client = client;
    this.layout = layout;
    this.most = most;
  }

  /** Carries a command out and answers it. */
  void serve(VfioUserClient.Reply command) {
    ByteBuffer payload = command.payload();
    long address = payload.getLong(0);
    long count =
        layout == Layout.TEXT ? payload.getLong(8) : Integer.toUnsignedLong(payload.getInt(8));
    int dataAt = layout == Layout.TEXT ? 16 : 12;
    boolean reads = command.command() == READ;
    if (count > most || address < 0 || address + count > bytes.capacity()) {
      client.answer(command, count > most ? Errno.E2BIG : Errno.EINVAL, VfioUserClient.payload(0));
      return;
    }
    int size = (int) count;
    if (payload.capacity() != 16 + (reads ? 0 : size)) {
      throw new IllegalStateException("a payload of " + payload.capacity() + " bytes for " + size);
    }
    if (size > 0) {
      counts.add(reads ? size : -size);
    }
    if (reads) {
      ByteBuffer reply = VfioUserClient.payload(16 + size);
      reply.put(0, payload, 0, 16).put(dataAt, bytes, (int) address, size);
      client.answer(command, 0, reply);
    } else {
      bytes.put((int) address, payload, dataAt, size);
      if (dataAt == 12 && payload.getInt(12 + size) != 0) {
        throw new IllegalStateException("what was before is sent along");
      }
      client.answer(command, 0, layout == Layout.TEXT ? head(payload) : VfioUserClient.payload(0));
    }
  }

  /** Address and count come back by the text; QEMU sends no payload back. */
  private static ByteBuffer head(ByteBuffer payload) {
    return VfioUserClient.payload(16).put(0, payload, 0, 16);
  }
}
