package dev.virtiolab.net.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.util.concurrent.TimeUnit;

/**
 * Sees to it that a TLS record that has begun is whole in time: {@link StreamConnection} hears of
 * no byte of it before. Stands before the TLS engine, on the event loop, and only counts.
 *
 * <p>The header of a record is its type, 1 byte, its version, 2 bytes, and its length, 2 bytes,
 * big-endian (RFC 8446, 5.1).
 */
final class TlsRecordWatch extends ChannelInboundHandlerAdapter {
  private static final int HEADER_BYTES = 5;

  private final StreamConnection connection;
  private final long patienceNanos;

  /** Bytes of the present record that came; of its length what its header told so far. */
  private int came;

  private int length;
  private long records;

  private long partOf = -1;
  private long partSince;
  private boolean watching;

  TlsRecordWatch(StreamConnection connection, long patienceNanos) {
    this.connection = connection;
    this.patienceNanos = patienceNanos;
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf bytes = (ByteBuf) message;
    for (int at = bytes.readerIndex(); at < bytes.writerIndex(); ) {
      if (came < HEADER_BYTES) {
        if (came >= HEADER_BYTES - 2) {
          length = length << 8 | bytes.getUnsignedByte(at);
        }
        came++;
        at++;
      } else {
        int step = Math.min(HEADER_BYTES + length - came, bytes.writerIndex() - at);
        came += step;
        at += step;
      }
      if (came >= HEADER_BYTES && came == HEADER_BYTES + length) {
        came = 0;
        length = 0;
        records++;
      }
    }
    context.fireChannelRead(message);
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext context) {
    if (came > 0) {
      if (partOf != records) {
        partOf = records;
        partSince = System.nanoTime();
      }
      if (!watching) {
        watching = true;
        lookLater(context, patienceNanos);
      }
    }
    context.fireChannelReadComplete();
  }

  private void lookLater(ChannelHandlerContext context, long nanos) {
    context.executor().schedule(() -> look(context), nanos, TimeUnit.NANOSECONDS);
  }

  private void look(ChannelHandlerContext context) {
    if (came == 0 || context.isRemoved()) {
      watching = false;
      return;
    }
    long now = System.nanoTime();
    if (partOf != records || !connection.up() || !context.channel().config().isAutoRead()) {
      // Another record, the handshake, which has a limit of its own, or this end is late.
      partOf = records;
      partSince = now;
    }
    long left = patienceNanos - (now - partSince);
    if (left > 0) {
      lookLater(context, left);
    } else {
      connection.stalled(came + " bytes of a TLS record");
    }
  }
}
