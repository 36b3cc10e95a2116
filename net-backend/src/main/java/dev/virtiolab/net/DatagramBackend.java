package dev.virtiolab.net;

import dev.virtiolab.net.ring.Claims;
import dev.virtiolab.posix.DatagramSocket;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.PosixException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;

/**
 * A datagram socket, one frame in each datagram: QEMU's {@code -netdev dgram}, over UDP or a unix
 * socket. Like a TAP it is used by the device's thread, with one system call per frame.
 *
 * <p><b>Who speaks.</b> Only what comes from the peer's address is taken; the datagrams of others
 * are dropped and counted, by {@link #strangers} too. So are empty ones, runts and giants.
 *
 * <p><b>The link</b> is up until the back end is closed: a datagram socket has no connection, and
 * does not know whether the peer is there yet, or still. Over UDP what is sent to nobody vanishes;
 * the kernel's word that a port is unreachable is not heard. A unix socket's peer that is not there
 * is known, and the frame is counted as lost. Either way the next frame is tried like the first.
 *
 * <p><b>Room.</b> UDP never pushes back for long: what the peer has no room for is lost in its
 * kernel. A unix peer whose queue is full does; then one frame is held here, further claims are
 * refused, and a thread that waits for room says when there is some.
 *
 * <p><b>The file</b> of a unix socket is removed when the back end is closed, unless somebody has
 * put another in its place. One that a process left behind that is gone is replaced; one that is in
 * use, or is no socket, is not touched.
 */
public final class DatagramBackend implements NetBackend {
  /** What fits in a datagram of UDP over IPv4: 65535 bytes less 20 and 8 of headers. */
  public static final int MAX_UDP_BYTES = 65_507;

  private static final int ETHERNET_HEADER_BYTES = 14;

  /** Datagrams not fit to be shown that one {@link #peek()} skips at most. */
  private static final int SKIP_LIMIT = 64;

  private final Arena arena = Arena.ofShared();
  private final BackendCounters counters = new BackendCounters();
  private final DatagramSocket socket;
  private final Optional<SocketFile> file;
  private final int maxFrame;
  private final MemorySegment out;
  private final MemorySegment in;
  private final RoomWatcher room;

  private int claimLength;
  private int heldLength;
  private int peekLength;
  private volatile long strangers;
  private volatile boolean closed;
  private volatile Runnable wake = () -> {};

  private DatagramBackend(DatagramSocket socket, Optional<SocketFile> file, int maxFrame) {
    this.socket = socket;
    this.file = file;
    this.maxFrame = maxFrame;
    out = arena.allocate(maxFrame, Long.BYTES);
    in = arena.allocate(maxFrame, Long.BYTES);
    room = new RoomWatcher(socket, () -> wake.run());
  }

  /**
   * Over UDP and IPv4.
   *
   * @param local where to receive, and to send from
   * @param remote the peer
   * @throws IllegalArgumentException if an address is not resolved, or not of IPv4
   * @throws PosixException if the kernel refuses, EADDRINUSE for one
   */
  public static DatagramBackend udp(InetSocketAddress local, InetSocketAddress remote) {
    return new DatagramBackend(DatagramSocket.udp(local, remote), Optional.empty(), MAX_UDP_BYTES);
  }

  /**
   * Over unix sockets.
   *
   * @param local path of the socket that is made
   * @param remote path of the peer's, as the peer knows it: better absolute
   * @throws IllegalArgumentException if a path is empty or too long for a socket
   * @throws PosixException if the kernel refuses; EADDRINUSE where {@code local} is in use, or is
   *     no socket
   */
  public static DatagramBackend unix(Path local, Path remote) {
    SocketFile.removeStale(local);
    DatagramSocket socket = DatagramSocket.unix(local.toString(), remote.toString());
    return new DatagramBackend(socket, Optional.of(SocketFile.of(local)), LARGEST_FRAME);
  }

  /** Datagrams that came from somebody else than the peer, and were dropped; any thread. */
  public long strangers() {
    return strangers;
  }

  @Override
  public int maxFrameLength() {
    return maxFrame;
  }

  /** Refused while a frame is held for which the peer had no room. */
  @Override
  public boolean claim(int length) {
    Claims.checkClaim(claimLength, length, maxFrame);
    if (!sendHeld()) {
      counters.refusedClaim();
      return false;
    }
    claimLength = length;
    return true;
  }

  @Override
  public MemorySegment claimed() {
    return out;
  }

  @Override
  public long claimedOffset() {
    return 0;
  }

  /** Sends at once, or holds the frame until there is room. */
  @Override
  public void commit() {
    Claims.checkOpen(claimLength);
    heldLength = claimLength;
    claimLength = 0;
    sendHeld();
  }

  @Override
  public void abort() {
    Claims.checkOpen(claimLength);
    claimLength = 0;
  }

  @Override
  public void flush() {
    sendHeld();
  }

  /** Also tries the frame that is held: whoever was woken for room comes by here. */
  @Override
  public int peek() {
    sendHeld();
    if (peekLength != 0) {
      return peekLength;
    }
    for (int skipped = 0; skipped < SKIP_LIMIT; skipped++) {
      int length = socket.receive(in, 0, maxFrame);
      if (length == -Errno.EAGAIN) {
        return 0;
      }
      if (length < 0) {
        continue; // the socket's pending error, which is told once
      }
      if (!socket.fromPeer()) {
        strangers++;
        counters.lostIn();
      } else if (length < ETHERNET_HEADER_BYTES || length > maxFrame) {
        counters.lostIn();
      } else {
        peekLength = length;
        return length;
      }
    }
    return 0;
  }

  @Override
  public MemorySegment peeked() {
    return in;
  }

  @Override
  public long peekedOffset() {
    return 0;
  }

  @Override
  public void release() {
    Claims.checkPeeked(peekLength);
    counters.received(peekLength);
    peekLength = 0;
  }

  @Override
  public int readableFd() {
    return socket.fd();
  }

  /** Run when there may be room for the frame that is held. */
  @Override
  public void onReady(Runnable wake) {
    this.wake = wake;
  }

  /** True until closed: see above. */
  @Override
  public boolean linkUp() {
    return !closed;
  }

  @Override
  public BackendCounters counters() {
    return counters;
  }

  /** A frame that is held is lost. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    room.stop();
    file.ifPresent(SocketFile::remove);
    socket.close();
    arena.close();
  }

  /** Whether no frame is held any more. */
  private boolean sendHeld() {
    if (heldLength == 0) {
      return true;
    }
    int sent = socket.send(out, 0, heldLength);
    if (sent == -Errno.EAGAIN) {
      room.ask();
      return false;
    }
    if (sent == heldLength) {
      counters.sent(sent);
    } else {
      counters.lostOut();
    }
    heldLength = 0;
    return true;
  }

  /**
   * The file of a unix socket that is ours.
   *
   * @param identity device and inode: another file in its place has another
   */
  private record SocketFile(Path path, Object identity) {
    static SocketFile of(Path path) {
      return new SocketFile(path, attributes(path).map(BasicFileAttributes::fileKey).orElse(path));
    }

    /** Makes way where the process that made the socket is gone. */
    static void removeStale(Path path) {
      boolean socket = attributes(path).filter(BasicFileAttributes::isOther).isPresent();
      if (socket && !DatagramSocket.isBound(path.toString())) {
        delete(path);
      }
    }

    void remove() {
      if (identity.equals(of(path).identity)) {
        delete(path);
      }
    }

    private static Optional<BasicFileAttributes> attributes(Path path) {
      try {
        return Optional.of(
            Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS));
      } catch (IOException e) {
        return Optional.empty();
      }
    }

    private static void delete(Path path) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        // It is in the way, which bind(2) will say; or it stays, and is replaced next time.
      }
    }
  }
}
