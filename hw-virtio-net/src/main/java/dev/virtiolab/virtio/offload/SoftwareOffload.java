package dev.virtiolab.virtio.offload;

import dev.virtiolab.net.Offload;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Does what is left to do with a frame, for a wire or a driver that does not: completes its
 * checksum, and cuts it into frames that fit.
 *
 * <pre>
 *   headers | payload ..................................
 *   headers'| gso_size     headers'| gso_size     headers'| rest
 * </pre>
 *
 * <p>TCP is cut into segments and a run of UDP datagrams into datagrams, each whole with headers
 * and checksums of its own; a datagram that is too long (GSO_UDP) into fragments of IP, with the
 * checksum of the whole. What a UDP tunnel carries is cut in the same way, and each piece gets the
 * tunnel's headers, whatever is between them: of these only lengths, IDs and checksums are
 * understood. The frame stays where it is, and unchanged, until the last piece is made.
 *
 * <p>One thread; nothing is allocated per frame.
 */
public final class SoftwareOffload {
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfInt BE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final int ETHERNET_HEADER_BYTES = 14;

  private static final int IPV4_TOTAL_LENGTH = 2;
  private static final int IPV4_ID = 4;
  private static final int IPV4_FRAGMENT = 6;
  private static final int IPV4_CHECKSUM = 10;
  private static final int IPV4_ADDRESSES = 12;
  private static final int IPV4_MORE_FRAGMENTS = 0x2000;
  private static final int IPV6_PAYLOAD_LENGTH = 4;
  private static final int IPV6_ADDRESSES = 8;
  private static final int IPV6_FRAGMENT = 44;
  private static final int IPV6_FRAGMENT_BYTES = 8;

  private static final int TCP_SEQUENCE = 4;
  private static final int TCP_FLAGS = 13;
  private static final int TCP_CHECKSUM = 16;
  private static final int TCP_FIN_PSH = 0x09;
  private static final int TCP_CWR = 0x80;
  private static final int UDP_LENGTH = 4;
  private static final int UDP_CHECKSUM = 6;

  /** The headers in front of the payload: of a tunnel's frame, those that it carries. */
  private final FrameHeaders headers = new FrameHeaders();

  /** The headers of the tunnel. */
  private final FrameHeaders outer = new FrameHeaders();

  /** Whether there is one. */
  private boolean tunnelled;

  /** Whether it has a checksum of its own. */
  private boolean outerChecksum;

  private MemorySegment frame;
  private long offset;
  private int length;
  private long word;

  /** Bytes that each piece begins with, and bytes of the rest that each but the last takes. */
  private int headerBytes;

  private int pieceBytes;

  /** Where in the frame the next piece's part begins. */
  private int next;

  private int piece;
  private boolean pending;

  /** What a partial checksum of a datagram in fragments comes to. */
  private int wholeChecksum;

  private int fragmentId;

  /**
   * Begins with a frame. Its bytes are looked at until {@link #pending()} is false, and are not to
   * change.
   *
   * @param work what is left to do: not {@link Offload#NONE}
   * @param tunnel where the headers of a tunnel are, if {@code work} speaks of one
   * @return false if these fields do not fit the frame: then there is nothing to do
   */
  public boolean begin(MemorySegment memory, long at, int bytes, long work, int tunnel) {
    pending = false;
    if (!fits(memory, at, bytes, work, tunnel)) {
      return false;
    }
    frame = memory;
    offset = at;
    length = bytes;
    word = work;
    piece = 0;
    pending = true;
    switch (Offload.gsoType(work)) {
      case Offload.GSO_NONE -> {
        headerBytes = 0;
        pieceBytes = bytes;
      }
      case Offload.GSO_UDP -> {
        headerBytes = headers.transport();
        pieceBytes = Offload.gsoSize(work) & ~7;
        fragmentId++;
        wholeChecksum =
            InternetChecksum.finish(
                InternetChecksum.sum(frame, offset + headerBytes, length - headerBytes));
      }
      default -> {
        headerBytes = headers.payload();
        pieceBytes = Offload.gsoSize(work);
        outerChecksum = tunnelled && hasOuterChecksum();
      }
    }
    next = headerBytes;
    return true;
  }

  /**
   * Whether the fields of {@code work} are true of the frame: what lies outside, names another
   * protocol or would make no progress is not (virtio v1.4, 5.1.6.2: hdr_len is not looked at).
   *
   * @param tunnel as {@link #begin} takes it
   */
  public boolean fits(MemorySegment memory, long at, int bytes, long work, int tunnel) {
    int start = Offload.csumStart(work);
    int field = Offload.csumOffset(work);
    if (Offload.kinds(work) < 0) {
      return false;
    }
    if (Offload.needsCsum(work)
        && (start < ETHERNET_HEADER_BYTES || start + field + Short.BYTES > bytes)) {
      return false;
    }
    int type = Offload.plainType(Offload.gsoType(work));
    if (type == Offload.GSO_NONE) {
      return true;
    }
    if (!Offload.needsCsum(work)
        || Offload.gsoSize(work) == 0
        || !find(memory, at, bytes, work, tunnel)
        || headers.transport() != start) {
      return false;
    }
    boolean tcp = headers.protocol() == FrameHeaders.TCP;
    if (field != (tcp ? TCP_CHECKSUM : UDP_CHECKSUM)) {
      return false;
    }
    return switch (type) {
      case Offload.GSO_TCPV4 -> tcp && headers.version() == 4;
      case Offload.GSO_TCPV6 -> tcp && headers.version() == 6;
      case Offload.GSO_UDP_L4 -> !tcp;
      case Offload.GSO_UDP -> !tcp && Offload.gsoSize(work) >= 8;
      default -> false;
    };
  }

  /**
   * Finds the headers, and holds the tunnel's offsets against them: a tunnel's own headers are
   * where they are said to be, and what it carries is behind them. What is between is the tunnel's.
   */
  private boolean find(MemorySegment memory, long at, int bytes, long work, int tunnel) {
    int type = Offload.gsoType(work);
    tunnelled = Offload.isTunnel(type);
    if (!tunnelled) {
      return headers.find(memory, at, bytes);
    }
    int carried = Offload.innerNetwork(tunnel);
    if (!outer.find(memory, at, bytes)
        || outer.protocol() != FrameHeaders.UDP
        || outer.transport() != Offload.outerTransport(tunnel)
        || outer.payload() > carried
        || !headers.findFrom(memory, at, bytes, carried)) {
      return false;
    }
    int named = (type & Offload.GSO_UDP_TUNNEL_IPV4) != 0 ? 4 : 6;
    return named == outer.version() || named == headers.version();
  }

  /**
   * A driver that leaves it to nobody has put 0 there, by which there is none (RFC 768, and RFC
   * 6935 for tunnels over IPv6), or what is right for pieces of one length (5.1.6.2.1): the last
   * may be shorter, so it is made anew for all.
   */
  private boolean hasOuterChecksum() {
    return (Offload.flags(word) & Offload.TUNNEL_CSUM_PARTIAL) != 0
        || u16(frame, offset + outer.transport() + UDP_CHECKSUM) != 0;
  }

  /** Completes a checksum in place, where that is all that is left to do, and {@link #fits}. */
  public void complete(MemorySegment memory, long at, int bytes, long work) {
    InternetChecksum.complete(memory, at, bytes, Offload.csumStart(work), Offload.csumOffset(work));
  }

  /** Bytes up to the end of the TCP or UDP header of the frame that {@link #fits} found to fit. */
  public int headerBytes() {
    return headers.payload();
  }

  /** The IP version of the tunnel, which {@link #fits} found to fit. */
  public int outerIpVersion() {
    return outer.version();
  }

  /** 4 or 6, of the frame that {@link #fits} found to fit; of what a tunnel carries. */
  public int ipVersion() {
    return headers.version();
  }

  /** {@code work}, which {@link #fits} found to fit, as a wire has it: it names the outer IP. */
  public long forWire(long work) {
    return Offload.isTunnel(Offload.gsoType(work)) ? Offload.overIp(work, outer.version()) : work;
  }

  /** Whether there is a piece to make still. */
  public boolean pending() {
    return pending;
  }

  /** Lets go of the frame. */
  public void stop() {
    pending = false;
  }

  /** Bytes of the next piece. */
  public int nextLength() {
    return headerBytes + extra() + Math.min(pieceBytes, length - next);
  }

  /** Makes the next piece. */
  public void next(MemorySegment target, long at) {
    int bytes = Math.min(pieceBytes, length - next);
    boolean last = next + bytes == length;
    MemorySegment.copy(frame, offset, target, at, headerBytes);
    MemorySegment.copy(frame, offset + next, target, at + headerBytes + extra(), bytes);
    switch (Offload.gsoType(word)) {
      case Offload.GSO_NONE ->
          InternetChecksum.complete(
              target, at, bytes, Offload.csumStart(word), Offload.csumOffset(word));
      case Offload.GSO_UDP -> fragment(target, at, bytes, last);
      default -> segment(target, at, bytes, last);
    }
    next += bytes;
    piece++;
    pending = !last;
  }

  /** Bytes of the header that an IPv6 fragment has more than the frame. */
  private int extra() {
    return Offload.gsoType(word) == Offload.GSO_UDP && headers.version() == 6
        ? IPV6_FRAGMENT_BYTES
        : 0;
  }

  private void segment(MemorySegment target, long at, int bytes, boolean last) {
    int end = headerBytes + bytes;
    long transport = at + headers.transport();
    sealNetwork(headers, target, at, end);
    if (headers.protocol() == FrameHeaders.TCP) {
      int sequence = target.get(BE32, transport + TCP_SEQUENCE) + piece * pieceBytes;
      target.set(BE32, transport + TCP_SEQUENCE, sequence);
      int flags = target.get(ValueLayout.JAVA_BYTE, transport + TCP_FLAGS);
      // The end is told once, at the end; a reduced window once, at the beginning (RFC 3168).
      flags &= last ? -1 : ~TCP_FIN_PSH;
      flags &= piece == 0 ? -1 : ~TCP_CWR;
      target.set(ValueLayout.JAVA_BYTE, transport + TCP_FLAGS, (byte) flags);
    } else {
      put16(target, transport + UDP_LENGTH, end - headers.transport());
    }
    long pseudo = pseudoHeader(headers, target, at, end);
    sealTransport(headers, Offload.csumOffset(word), target, at, end, pseudo);
    if (tunnelled) {
      sealTunnel(target, at, end, InternetChecksum.finish(pseudo));
    }
  }

  /**
   * Last, since its checksum covers what it carries. That is not read again.
   *
   * @param carried what it sums up to, its own checksum included: the complement of its pseudo
   *     header
   */
  private void sealTunnel(MemorySegment target, long at, int end, int carried) {
    sealNetwork(outer, target, at, end);
    put16(target, at + outer.transport() + UDP_LENGTH, end - outer.transport());
    if (outerChecksum) {
      int upTo = headers.transport();
      // Behind an odd number of bytes its own count swapped (RFC 1071, 2 (B)).
      boolean odd = (upTo - outer.transport() & 1) != 0;
      long rest = pseudoHeader(outer, target, at, end) + (odd ? carried << Byte.SIZE : carried);
      sealTransport(outer, UDP_CHECKSUM, target, at, upTo, rest);
    }
  }

  /** RFC 791, 3.2 and RFC 8200, 4.5. */
  private void fragment(MemorySegment target, long at, int bytes, boolean last) {
    long network = at + headers.network();
    if (piece == 0) {
      long checksum = at + headerBytes + extra() + UDP_CHECKSUM;
      put16(target, checksum, wholeChecksum == 0 ? 0xffff : wholeChecksum);
    }
    int fragmentOffset = next - headerBytes;
    int networkBytes = headerBytes - headers.network() + extra() + bytes;
    setNetworkLength(headers, target, network, networkBytes);
    if (headers.version() == 4) {
      put16(target, network + IPV4_FRAGMENT, fragmentOffset / 8 | (last ? 0 : IPV4_MORE_FRAGMENTS));
      sealIpv4(target, network);
      return;
    }
    long header = at + headerBytes;
    target.set(ValueLayout.JAVA_BYTE, at + headers.protocolAt(), (byte) IPV6_FRAGMENT);
    put16(target, header, FrameHeaders.UDP << 8);
    put16(target, header + 2, fragmentOffset | (last ? 0 : 1));
    target.set(BE32, header + 4, fragmentId);
  }

  /** The IP header of a piece that ends at {@code end}. */
  private void sealNetwork(FrameHeaders of, MemorySegment target, long at, int end) {
    long network = at + of.network();
    setNetworkLength(of, target, network, end - of.network());
    if (of.version() == 4) {
      put16(target, network + IPV4_ID, u16(target, network + IPV4_ID) + piece);
      sealIpv4(target, network);
    }
  }

  private static void setNetworkLength(
      FrameHeaders of, MemorySegment target, long network, int bytes) {
    if (of.version() == 4) {
      put16(target, network + IPV4_TOTAL_LENGTH, bytes);
    } else {
      put16(target, network + IPV6_PAYLOAD_LENGTH, bytes - FrameHeaders.IPV6_HEADER_BYTES);
    }
  }

  private static void sealIpv4(MemorySegment target, long network) {
    int bytes = (target.get(ValueLayout.JAVA_BYTE, network) & 0xf) * 4;
    put16(target, network + IPV4_CHECKSUM, 0);
    put16(
        target,
        network + IPV4_CHECKSUM,
        InternetChecksum.finish(InternetChecksum.sum(target, network, bytes)));
  }

  /**
   * The checksum of TCP or UDP, in a piece that is else complete.
   *
   * @param rest the sum of all that is not between the header's begin and {@code end}
   */
  private static void sealTransport(
      FrameHeaders of, int field, MemorySegment target, long at, int end, long rest) {
    put16(target, at + of.transport() + field, ~InternetChecksum.finish(rest));
    InternetChecksum.complete(target, at, end, of.transport(), field);
  }

  /** RFC 9293, 3.1 and RFC 8200, 8.1: addresses, protocol and length. */
  private static long pseudoHeader(FrameHeaders of, MemorySegment target, long at, int end) {
    long network = at + of.network();
    long addresses =
        of.version() == 4
            ? InternetChecksum.sum(target, network + IPV4_ADDRESSES, 8)
            : InternetChecksum.sum(target, network + IPV6_ADDRESSES, 32);
    return addresses + of.protocol() + end - of.transport();
  }

  private static int u16(MemorySegment memory, long at) {
    return memory.get(BE16, at) & 0xffff;
  }

  private static void put16(MemorySegment memory, long at, int value) {
    memory.set(BE16, at, (short) value);
  }
}
