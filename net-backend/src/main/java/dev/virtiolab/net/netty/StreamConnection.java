package dev.virtiolab.net.netty;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.ring.WireRing;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/**
 * One connection of a {@link StreamBackend}, at the end of its pipeline: finds the frames among the
 * bytes that came, and sends what waits. On the event loop.
 *
 * <p>Without TLS the bytes of the peer are in the ring already when they are announced here; with
 * TLS they come decrypted in a buffer and are copied there.
 *
 * <p>The peer's length is never believed beyond {@link NetBackend#LARGEST_FRAME}, and nothing is
 * allocated by it. After a length that cannot be, the bytes have no meaning any more, and the
 * connection is closed; a frame too short to be one is skipped later, by {@link NettyBackend#peek},
 * since what follows it is still where it should be. QEMU pads such a frame and hands it on.
 */
final class StreamConnection extends ChannelInboundHandlerAdapter implements ChannelFutureListener {
  /** Bytes that are handed to the socket at once, so that room comes back before all are sent. */
  private static final int BATCH_BYTES = NettyBackend.RING_BYTES / 4;

  /** Batches before other work of the event loop has its turn. */
  private static final int BATCHES_PER_TURN = 16;

  /** A TLS record that carries a handshake, and the major version, as a length. */
  private static final long TLS_CLIENT_HELLO = 0x1603;

  private final StreamBackend owner;
  private final boolean tls;
  private final WireRing in;
  private final WireRing out;

  /** Decrypted bytes for which the ring had no room; reading has stopped then. */
  private final ArrayDeque<ByteBuf> backlog = new ArrayDeque<>();

  private Channel channel;
  private boolean up;
  private boolean heard;
  private boolean ended;
  private boolean reading = true;

  private boolean sending;
  private boolean inSend;

  private long frames;
  private long partOf;
  private long partSince;
  private boolean watching;

  StreamConnection(StreamBackend owner, boolean tls) {
    this.owner = owner;
    this.tls = tls;
    in = owner.in;
    out = owner.out;
  }

  boolean up() {
    return up;
  }

  void close() {
    if (channel != null) {
      channel.close();
    }
  }

  // From the socket.

  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    channel = context.channel();
  }

  @Override
  public void channelActive(ChannelHandlerContext context) {
    if (!tls) {
      begin();
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext context, Object event) {
    if (event instanceof SslHandshakeCompletionEvent handshake) {
      if (handshake.isSuccess()) {
        begin();
      } else {
        fail(StreamTrouble.TLS, TlsTrouble.explain(handshake.cause()));
      }
    }
  }

  private void begin() {
    if (!ended) {
      up = true;
      owner.connected(this);
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf bytes = (ByteBuf) message;
    heard = true;
    if (ended) {
      bytes.release();
    } else if (tls) {
      backlog.add(bytes);
      takeBacklog();
    } else {
      in.filled(bytes.readableBytes());
      bytes.release();
      commitFrames();
    }
  }

  /** Copies decrypted bytes to the ring as far as it has room. */
  private void takeBacklog() {
    while (!ended && !backlog.isEmpty()) {
      ByteBuf bytes = backlog.peek();
      int room = Math.min(in.window(), bytes.readableBytes());
      if (room == 0 && bytes.isReadable()) {
        return;
      }
      owner.inBytes.setBytes((int) in.windowOffset(), bytes, room);
      in.filled(room);
      if (!bytes.isReadable()) {
        backlog.remove().release();
      }
      commitFrames();
    }
  }

  private void commitFrames() {
    for (long length = in.partLength(); length != WireRing.UNKNOWN; length = in.partLength()) {
      if (length == 0) {
        fail(StreamTrouble.ZERO_LENGTH, "it sent a frame of length 0");
        return;
      }
      if (length > NetBackend.LARGEST_FRAME) {
        fail(
            StreamTrouble.GIANT,
            length >>> 16 == TLS_CLIENT_HELLO
                ? "it speaks TLS, and this end does not"
                : "it sent a length of " + length + ", above " + NetBackend.LARGEST_FRAME);
        return;
      }
      if (!in.commitPart((int) length)) {
        return;
      }
      frames++;
    }
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext context) {
    if (ended) {
      return;
    }
    owner.publishIn();
    if (!backlog.isEmpty() || in.window() == 0) {
      // The device is behind: what comes waits in the socket, and in the end with the peer.
      reading = false;
      channel.config().setAutoRead(false);
    }
    watchPart();
  }

  /** There is room again. */
  void resume() {
    if (reading || ended) {
      return;
    }
    takeBacklog();
    owner.publishIn();
    if (!ended && backlog.isEmpty() && in.window() > 0) {
      reading = true;
      partSince = System.nanoTime();
      channel.config().setAutoRead(true);
    }
  }

  // Half a frame and silence.

  private void watchPart() {
    if (in.partBytes() == 0) {
      partSince = 0;
      return;
    }
    if (partSince == 0 || partOf != frames) {
      partOf = frames;
      partSince = System.nanoTime();
    }
    if (!watching) {
      watching = true;
      lookLater(owner.patienceNanos());
    }
  }

  private void lookLater(long nanos) {
    channel.eventLoop().schedule(this::lookAtPart, nanos, TimeUnit.NANOSECONDS);
  }

  private void lookAtPart() {
    if (ended || in.partBytes() == 0) {
      watching = false;
      return;
    }
    long now = System.nanoTime();
    if (!reading) {
      partSince = now; // it is this end that is late
    }
    long left = owner.patienceNanos() - (now - partSince);
    if (left > 0) {
      lookLater(left);
    } else {
      stalled(in.partBytes() + " bytes of a frame");
    }
  }

  /**
   * It does not go on.
   *
   * @param part how far it came
   */
  void stalled(String part) {
    fail(
        StreamTrouble.STALLED,
        "it sent "
            + part
            + " and not the rest in "
            + TimeUnit.NANOSECONDS.toMillis(owner.patienceNanos()) / 1000.0
            + " s");
  }

  // To the socket.

  /** Sends what waits, unless a batch is under way, whose end looks again. */
  void send() {
    if (inSend) {
      return;
    }
    inSend = true;
    int batches = 0;
    while (up && !ended && !sending) {
      if (batches++ == BATCHES_PER_TURN) {
        channel.eventLoop().execute(this::send);
        break;
      }
      int bytes = out.batch(BATCH_BYTES);
      if (bytes == 0) {
        break;
      }
      sending = true;
      channel
          .writeAndFlush(owner.outBytes.retainedSlice((int) out.batchOffset(), bytes))
          .addListener(this);
    }
    inSend = false;
  }

  /** A batch is with the kernel, or lost. */
  @Override
  public void operationComplete(ChannelFuture written) {
    if (ended) {
      return; // end() has counted it
    }
    sending = false;
    if (written.isSuccess()) {
      owner.tellRoom(out.releaseBatch());
      send();
    } else {
      broken(written.cause());
    }
  }

  // The end.

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    if (TlsTrouble.isOne(cause)) {
      fail(StreamTrouble.TLS, TlsTrouble.explain(cause));
    } else {
      broken(cause);
    }
  }

  /**
   * In TLS 1.3 a client may send before the server has looked at its certificate. A server that
   * refuses it says so, but the bytes that it did not read any more can cost the client that word.
   */
  private void broken(Throwable cause) {
    if (tls && !heard && !owner.listens()) {
      fail(
          StreamTrouble.TLS,
          "it ended the connection right after the TLS handshake, perhaps since it refuses this"
              + " end's certificate");
    } else {
      fail(StreamTrouble.BROKEN, String.valueOf(cause.getMessage()));
    }
  }

  private void fail(StreamTrouble trouble, String what) {
    if (!ended) {
      owner.trouble(trouble, what);
      end();
    }
    channel.close();
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    if (!ended) {
      if (in.partBytes() > 0) {
        owner.trouble(
            StreamTrouble.CUT_FRAME,
            "it went away after " + in.partBytes() + " bytes of a frame, which is dropped");
      } else if (tls && !up) {
        owner.trouble(StreamTrouble.TLS, "it went away before the TLS handshake was over");
      }
      end();
    }
  }

  /** Whole frames that came before stay; the part of one goes, and whatever waits to be sent. */
  private void end() {
    ended = true;
    up = false;
    backlog.forEach(ByteBuf::release);
    backlog.clear();
    owner.publishIn();
    in.dropPart();
    owner.ended(this);
  }
}
