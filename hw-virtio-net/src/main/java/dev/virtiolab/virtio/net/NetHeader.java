package dev.virtiolab.virtio.net;

import dev.virtiolab.net.Offload;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The header before a frame, in the device's own memory. */
final class NetHeader {
  private static final ValueLayout.OfShort LE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int KNOWN_FLAGS = Offload.NEEDS_CSUM | Offload.DATA_VALID;

  private final MemorySegment memory = Arena.ofAuto().allocate(NetHeaderLayout.BYTES, 8);

  /** How many of its bytes there are. */
  private int bytes = NetHeaderLayout.BYTES;

  /** Sets its length: a legacy driver's may end before {@code num_buffers}. */
  void bytes(int present) {
    bytes = present;
  }

  int bytes() {
    return bytes;
  }

  MemorySegment memory() {
    return memory;
  }

  /** Whether it asks for work on a tunnel's headers. */
  boolean asksForTunnel() {
    return (memory.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.FLAGS)
            & NetHeaderLayout.F_UDP_TUNNEL_CSUM)
        != 0;
  }

  /**
   * What a driver leaves to do. Flags that the device does not know are ignored, and so are the
   * fields that no flag and no type makes mean something (5.1.6.2.2).
   */
  long work() {
    int flags = memory.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.FLAGS) & Offload.NEEDS_CSUM;
    int type = memory.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.GSO_TYPE) & 0xff;
    if ((flags | type) == 0) {
      return Offload.NONE;
    }
    boolean segments = type != Offload.GSO_NONE;
    boolean partial = flags != 0;
    return Offload.of(
        flags,
        type,
        segments ? memory.get(LE16, NetHeaderLayout.GSO_SIZE) : 0,
        partial ? memory.get(LE16, NetHeaderLayout.CSUM_START) : 0,
        partial ? memory.get(LE16, NetHeaderLayout.CSUM_OFFSET) : 0);
  }

  /**
   * Describes a frame to a driver.
   *
   * @param work what is left to do
   * @param headerBytes {@code hdr_len}: bytes up to the payload, where it is to be cut; else 0
   * @param buffers {@code num_buffers}
   */
  void describe(long work, int headerBytes, int buffers) {
    memory.set(
        ValueLayout.JAVA_BYTE, NetHeaderLayout.FLAGS, (byte) (Offload.flags(work) & KNOWN_FLAGS));
    memory.set(ValueLayout.JAVA_BYTE, NetHeaderLayout.GSO_TYPE, (byte) Offload.gsoType(work));
    memory.set(LE16, NetHeaderLayout.HDR_LEN, (short) headerBytes);
    memory.set(LE16, NetHeaderLayout.GSO_SIZE, (short) Offload.gsoSize(work));
    memory.set(LE16, NetHeaderLayout.CSUM_START, (short) Offload.csumStart(work));
    memory.set(LE16, NetHeaderLayout.CSUM_OFFSET, (short) Offload.csumOffset(work));
    memory.set(LE16, NetHeaderLayout.NUM_BUFFERS, (short) buffers);
  }
}
