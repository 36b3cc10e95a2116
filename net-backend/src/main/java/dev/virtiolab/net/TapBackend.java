package dev.virtiolab.net;

import dev.virtiolab.net.ring.Claims;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.Tap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * A TAP interface of the kernel: what the guest sends the host receives on it, and the other way
 * round. One system call per frame.
 *
 * <p>A TAP never pushes back. A write is received by the host's network stack before it returns,
 * and fails only where the kernel is out of memory, the interface is down, or the frame is none;
 * such a frame is lost, as on a real wire, and counted. Towards the guest the kernel holds 500 or
 * 1000 frames (the interface's txqueuelen) and drops what comes on top.
 *
 * <p>Before each frame goes a struct virtio_net_hdr, by which the kernel does what is left to do
 * with a frame, and leaves undone what was {@linkplain #accept accepted}.
 *
 * <p>Where the interface is deleted the link goes down for good, with one line in the log.
 */
public final class TapBackend implements NetBackend {
  private static final System.Logger LOG = System.getLogger(TapBackend.class.getName());

  private static final int ETHERNET_HEADER_BYTES = 14;

  // struct virtio_net_hdr_v1_hash_tunnel, of which the kernel ignores num_buffers and the hash, and
  // one that knows no tunnels all that follows; little-endian, as the machine. That there is room
  // for it lets a kernel take tunnels, whatever TUNSETOFFLOAD says of the other direction.
  private static final int HEADER_BYTES = 24;
  private static final int FLAGS = 0;
  private static final int GSO_TYPE = 1;
  private static final int HDR_LEN = 2;
  private static final int GSO_SIZE = 4;
  private static final int CSUM_START = 6;
  private static final int CSUM_OFFSET = 8;
  private static final int OUTER_TH_OFFSET = 20;
  private static final int INNER_NH_OFFSET = 22;

  /** Where it lies in memory, so that the frame behind it begins at a multiple of 16. */
  private static final int HEADER = 8;

  private static final int FRAME = HEADER + HEADER_BYTES;

  private static final int OUT_FLAGS = Offload.NEEDS_CSUM | Offload.TUNNEL_CSUM_PARTIAL;

  private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;

  private static final int SEGMENTS = Offload.TSO4 | Offload.TSO6;
  private static final int DATAGRAMS = Offload.USO4 | Offload.USO6;
  private static final int TUNNELS = Offload.TUNNEL | Offload.TUNNEL_CSUM;

  /** Frames not fit to be shown that one {@link #peek()} skips at most. */
  private static final int SKIP_LIMIT = 64;

  private final Arena arena = Arena.ofShared();
  private final BackendCounters counters = new BackendCounters();
  private final Tap tap;
  private final MemorySegment out;
  private final MemorySegment in;
  private final int offloads;

  private long claimWork;
  private int claimTunnel;
  private long peekWork;
  private int peekTunnel;
  private int accepted;
  private int claimLength;
  private int peekLength;
  private boolean closed;

  /** Whether this queue takes part in what the kernel sends. */
  private boolean attached = true;

  private volatile boolean gone;
  private volatile Runnable wake = () -> {};

  private TapBackend(Tap tap) {
    this.tap = tap;
    out = arena.allocate(FRAME + LARGEST_FRAME, Long.BYTES);
    // One byte more than a frame may have tells a giant from the largest frame.
    in = arena.allocate(FRAME + LARGEST_FRAME + 1L, Long.BYTES);
    // Kernels before 6.2 know no runs of datagrams, and those before 6.17 no tunnels.
    boolean datagrams = tap.offload(Offload.CSUM | DATAGRAMS);
    boolean tunnels = tap.offload(Offload.CSUM | SEGMENTS | DATAGRAMS | TUNNELS);
    tap.offload(0);
    offloads =
        Offload.CSUM
            | SEGMENTS
            | Offload.ECN
            | Offload.UFO
            | (datagrams ? DATAGRAMS : 0)
            | (tunnels ? TUNNELS : 0);
  }

  /**
   * Makes the interface, down at first, in the network namespace of the calling thread.
   *
   * @param name up to 15 bytes; empty, or one with {@code %d}, lets the kernel choose
   * @throws dev.virtiolab.posix.PosixException as {@link Tap#open(String)}
   */
  public static TapBackend open(String name) {
    return new TapBackend(Tap.open(name, HEADER_BYTES));
  }

  /**
   * Makes an interface with several queues, each a wire of its own for one pair of a NIC's: the
   * kernel sends the frames of a flow by the queue that the flow last came from. The first queue is
   * {@linkplain #attach attached}, the others are not.
   *
   * <p>The interface is gone when all are closed. Otherwise as {@link #open}.
   *
   * @param queues from 1 to {@link Tap#MAX_QUEUES}
   */
  public static List<TapBackend> openQueues(String name, int queues) {
    List<TapBackend> opened =
        Tap.openQueues(name, HEADER_BYTES, queues).stream().map(TapBackend::new).toList();
    // The last first, so that the kernel's numbers of the others stay as they are.
    opened.reversed().stream().limit(queues - 1L).forEach(queue -> queue.attach(false));
    return opened;
  }

  /** The interface's name. */
  public String name() {
    return tap.name();
  }

  @Override
  public int maxFrameLength() {
    return LARGEST_FRAME;
  }

  /** Never refused. */
  @Override
  public boolean claim(int length) {
    Claims.checkClaim(claimLength, length, LARGEST_FRAME);
    claimLength = length;
    return true;
  }

  @Override
  public MemorySegment claimed() {
    return out;
  }

  @Override
  public long claimedOffset() {
    return FRAME;
  }

  @Override
  public int offloads() {
    return offloads;
  }

  @Override
  public void claimedOffload(long work, int tunnel) {
    Claims.checkOpen(claimLength);
    claimWork = work;
    claimTunnel = tunnel;
  }

  /** Writes at once. */
  @Override
  public void commit() {
    Claims.checkOpen(claimLength);
    int length = claimLength;
    claimLength = 0;
    putHeader(claimWork, claimTunnel);
    claimWork = Offload.NONE;
    claimTunnel = 0;
    int written = tap.write(out, HEADER, HEADER_BYTES + length);
    if (written == HEADER_BYTES + length) {
      counters.sent(length);
    } else {
      counters.lostOut();
      noticeError(written);
    }
  }

  @Override
  public void abort() {
    Claims.checkOpen(claimLength);
    claimLength = 0;
    claimWork = Offload.NONE;
    claimTunnel = 0;
  }

  @Override
  public void flush() {}

  @Override
  public int peek() {
    if (peekLength != 0 || gone || !attached) {
      return peekLength;
    }
    for (int skipped = 0; skipped < SKIP_LIMIT; skipped++) {
      int read = tap.read(in, HEADER, HEADER_BYTES + LARGEST_FRAME + 1);
      if (read < 0) {
        noticeError(read);
        return 0;
      }
      int length = read - HEADER_BYTES;
      if (length >= ETHERNET_HEADER_BYTES && length <= LARGEST_FRAME) {
        peekLength = length;
        readHeader();
        return length;
      }
      counters.lostIn();
    }
    return 0;
  }

  @Override
  public MemorySegment peeked() {
    return in;
  }

  @Override
  public long peekedOffset() {
    return FRAME;
  }

  @Override
  public long peekedOffload() {
    return peekWork;
  }

  @Override
  public int peekedTunnel() {
    return peekTunnel;
  }

  /** The kernel takes runs of datagrams of both IP versions together or not at all. */
  @Override
  public void accept(int kinds) {
    int bits = (kinds & Offload.CSUM) == 0 ? 0 : kinds & offloads;
    if ((bits & DATAGRAMS) != DATAGRAMS) {
      bits &= ~DATAGRAMS;
    }
    if ((bits & SEGMENTS) == 0) {
      bits &= ~Offload.ECN;
    }
    if ((bits & Offload.TUNNEL) == 0) {
      bits &= ~Offload.TUNNEL_CSUM;
    }
    if (bits != accepted && tap.offload(bits)) {
      accepted = bits;
    }
  }

  @Override
  public void attach(boolean on) {
    if (on == attached || gone) {
      return;
    }
    if (!tap.attach(on)) {
      LOG.log(System.Logger.Level.WARNING, "{0}: a queue stays {1}", tap.name(), on ? "out" : "in");
      return;
    }
    attached = on;
    if (peekLength != 0) {
      peekLength = 0; // as what waited in the kernel
      counters.lostIn();
    }
  }

  @Override
  public void release() {
    Claims.checkPeeked(peekLength);
    counters.received(peekLength);
    peekLength = 0;
  }

  @Override
  public int readableFd() {
    return tap.fd();
  }

  /** Run when the interface is found to be deleted; a write always has room. */
  @Override
  public void onReady(Runnable wake) {
    this.wake = wake;
  }

  /** True until the interface is deleted; a TAP that is merely down swallows frames. */
  @Override
  public boolean linkUp() {
    return !gone;
  }

  @Override
  public BackendCounters counters() {
    return counters;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      tap.close();
      arena.close();
    }
  }

  private void putHeader(long work, int tunnel) {
    out.set(ValueLayout.JAVA_BYTE, HEADER + FLAGS, (byte) (Offload.flags(work) & OUT_FLAGS));
    out.set(ValueLayout.JAVA_BYTE, HEADER + GSO_TYPE, (byte) Offload.gsoType(work));
    // A hint: where it is 0 the kernel looks for itself (it takes csum_start and what follows).
    out.set(U16, HEADER + HDR_LEN, (short) 0);
    out.set(U16, HEADER + GSO_SIZE, (short) Offload.gsoSize(work));
    out.set(U16, HEADER + CSUM_START, (short) Offload.csumStart(work));
    out.set(U16, HEADER + CSUM_OFFSET, (short) Offload.csumOffset(work));
    out.set(U16, HEADER + OUTER_TH_OFFSET, (short) Offload.outerTransport(tunnel));
    out.set(U16, HEADER + INNER_NH_OFFSET, (short) Offload.innerNetwork(tunnel));
  }

  private void readHeader() {
    peekWork =
        Offload.of(
            in.get(ValueLayout.JAVA_BYTE, HEADER + FLAGS),
            in.get(ValueLayout.JAVA_BYTE, HEADER + GSO_TYPE),
            in.get(U16, HEADER + GSO_SIZE),
            in.get(U16, HEADER + CSUM_START),
            in.get(U16, HEADER + CSUM_OFFSET));
    peekTunnel =
        Offload.tunnel(
            in.get(U16, HEADER + OUTER_TH_OFFSET), in.get(U16, HEADER + INNER_NH_OFFSET));
  }

  private void noticeError(int result) {
    if (result == -Errno.EBADFD && !gone) {
      gone = true;
      LOG.log(System.Logger.Level.DEBUG, "{0} was deleted: the link is down", tap.name());
      wake.run();
    }
  }
}
