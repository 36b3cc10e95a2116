package dev.virtiolab.virtio.net;

import dev.virtiolab.net.Offload;
import dev.virtiolab.virtio.feature.Features;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The header before a frame, in the device's own memory. */
final class NetHeader {
  private static final ValueLayout.OfShort LE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int KNOWN_FLAGS =
      Offload.NEEDS_CSUM | Offload.DATA_VALID | Offload.TUNNEL_CSUM_PARTIAL;

  private final MemorySegment memory = Arena.ofAuto().allocate(NetHeaderLayout.TUNNEL_BYTES, 8);

  /** How many of its bytes there are. */
  private int bytes = NetHeaderLayout.BYTES;

  /**
   * How many of its bytes there are before each frame for a driver that accepted {@code agreed}.
   */
  static int bytes(Features agreed) {
    if (NetFeatures.describeTunnels(agreed)) {
      return NetHeaderLayout.TUNNEL_BYTES;
    }
    return LegacyNet.countsBuffers(agreed) ? NetHeaderLayout.BYTES : NetHeaderLayout.NUM_BUFFERS;
  }

  /** Sets its length. */
  void bytes(int present) {
    bytes = present;
  }

  int bytes() {
    return bytes;
  }

  MemorySegment memory() {
    return memory;
  }

  /**
   * What a driver leaves to do. Flags that the device does not know are ignored, and so are the
   * fields that no flag and no type makes mean something (5.1.6.2.2).
   */
  long work() {
    int flags = memory.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.FLAGS) & KNOWN_FLAGS;
    int type = memory.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.GSO_TYPE) & 0xff;
    if (!Offload.isTunnel(type)) {
      flags &= ~Offload.DATA_VALID; // Ignored, but for a tunnel, whose frame it has refused.
    }
    if ((flags | type) == 0) {
      return Offload.NONE;
    }
    boolean segments = type != Offload.GSO_NONE;
    boolean partial = (flags & Offload.NEEDS_CSUM) != 0;
    return Offload.of(
        flags,
        type,
        segments ? memory.get(LE16, NetHeaderLayout.GSO_SIZE) : 0,
        partial ? memory.get(LE16, NetHeaderLayout.CSUM_START) : 0,
        partial ? memory.get(LE16, NetHeaderLayout.CSUM_OFFSET) : 0);
  }

  /**
   * An {@link Offload#tunnel}: where a driver says that a tunnel's headers are. Without a tunnel's
   * type the fields "MUST NOT" be used (5.1.6.2.2): then it is 0.
   */
  int tunnel() {
    if (!Offload.isTunnel(memory.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.GSO_TYPE))) {
      return 0;
    }
    return Offload.tunnel(
        memory.get(LE16, NetHeaderLayout.OUTER_TH_OFFSET),
        memory.get(LE16, NetHeaderLayout.INNER_NH_OFFSET));
  }

  /**
   * Describes a frame to a driver.
   *
   * @param work what is left to do
   * @param tunnel where a tunnel's headers are, if {@code work} speaks of one; else 0
   * @param headerBytes {@code hdr_len}: bytes up to the payload, where it is to be cut; else 0
   * @param buffers {@code num_buffers}
   */
  void describe(long work, int tunnel, int headerBytes, int buffers) {
    memory.set(
        ValueLayout.JAVA_BYTE, NetHeaderLayout.FLAGS, (byte) (Offload.flags(work) & KNOWN_FLAGS));
    memory.set(ValueLayout.JAVA_BYTE, NetHeaderLayout.GSO_TYPE, (byte) Offload.gsoType(work));
    memory.set(LE16, NetHeaderLayout.HDR_LEN, (short) headerBytes);
    memory.set(LE16, NetHeaderLayout.GSO_SIZE, (short) Offload.gsoSize(work));
    memory.set(LE16, NetHeaderLayout.CSUM_START, (short) Offload.csumStart(work));
    memory.set(LE16, NetHeaderLayout.CSUM_OFFSET, (short) Offload.csumOffset(work));
    memory.set(LE16, NetHeaderLayout.NUM_BUFFERS, (short) buffers);
    memory.set(LE16, NetHeaderLayout.OUTER_TH_OFFSET, (short) Offload.outerTransport(tunnel));
    memory.set(LE16, NetHeaderLayout.INNER_NH_OFFSET, (short) Offload.innerNetwork(tunnel));
  }
}
