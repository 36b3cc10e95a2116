package dev.virtiolab.net.netty;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelMetadata;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.DefaultChannelConfig;
import io.netty.channel.nio.AbstractNioChannel;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;

/**
 * A UDP socket on Netty's event loop whose datagrams lie where its user wants them. Netty's own
 * makes a packet, a buffer and a promise for each datagram; this one tells when there is something
 * to read or room to write, and moves bytes from and to memory that is there already.
 */
final class VxlanChannel extends AbstractNioChannel {

  /** Who uses the socket; on the event loop. */
  interface User {
    /** There may be datagrams. */
    void readable();

    /**
     * There is room again, after there was none.
     *
     * @return whether nothing waits any more
     */
    boolean writable();

    /** The user itself failed. */
    void broke(Throwable cause);
  }

  private static final ChannelMetadata METADATA = new ChannelMetadata(false);

  /** What the kernel is asked to hold each way; it may give less (net.core.rmem_max). */
  private static final int SOCKET_BUFFER_BYTES = 4 << 20;

  private final ChannelConfig config = new DefaultChannelConfig(this);
  private final User user;
  private volatile boolean bound;

  VxlanChannel(boolean ipv6, User user) throws IOException {
    super(
        null,
        DatagramChannel.open(ipv6 ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET),
        SelectionKey.OP_READ);
    this.user = user;
    javaChannel().setOption(StandardSocketOptions.SO_RCVBUF, SOCKET_BUFFER_BYTES);
    javaChannel().setOption(StandardSocketOptions.SO_SNDBUF, SOCKET_BUFFER_BYTES);
  }

  // What the user asks for, on the event loop.

  /**
   * Takes one datagram.
   *
   * @param buffer whose position moves behind it
   * @return who sent it; null if there is none. The same object while the sender stays the same
   */
  InetSocketAddress receive(ByteBuffer buffer) throws IOException {
    return (InetSocketAddress) javaChannel().receive(buffer);
  }

  /**
   * Sends one datagram.
   *
   * @return whether there was room
   */
  boolean send(ByteBuffer buffer, InetSocketAddress to) throws IOException {
    return javaChannel().send(buffer, to) > 0;
  }

  /** Reads no more, until {@link #read()}. */
  void pause() {
    ((DatagramUnsafe) unsafe()).stopReading();
  }

  /** Has {@link User#writable} called when there is room. */
  void awaitRoom() {
    // An empty buffer stands for all that waits: Netty asks doWrite() for it until it is gone.
    unsafe().write(Unpooled.EMPTY_BUFFER, voidPromise());
    unsafe().flush();
  }

  // What Netty asks for.

  @Override
  protected AbstractNioUnsafe newUnsafe() {
    return new DatagramUnsafe();
  }

  private final class DatagramUnsafe extends AbstractNioUnsafe {
    @Override
    public void read() {
      try {
        user.readable();
      } catch (RuntimeException | Error e) {
        user.broke(e);
      }
    }

    void stopReading() {
      removeReadOp();
    }
  }

  @Override
  protected void doWrite(ChannelOutboundBuffer waiting) {
    try {
      if (user.writable()) {
        waiting.remove();
        removeAndSubmit(io.netty.channel.nio.NioIoOps.WRITE);
      } else {
        addAndSubmit(io.netty.channel.nio.NioIoOps.WRITE);
      }
    } catch (RuntimeException | Error e) {
      user.broke(e);
    }
  }

  @Override
  protected DatagramChannel javaChannel() {
    return (DatagramChannel) super.javaChannel();
  }

  @Override
  public ChannelConfig config() {
    return config;
  }

  @Override
  public ChannelMetadata metadata() {
    return METADATA;
  }

  @Override
  public boolean isActive() {
    return bound && isOpen();
  }

  @Override
  protected void doBind(SocketAddress address) throws IOException {
    javaChannel().bind(address);
    bound = true;
  }

  @Override
  protected void doClose() throws Exception {
    super.doClose();
    javaChannel().close();
  }

  @Override
  protected SocketAddress localAddress0() {
    try {
      return javaChannel().getLocalAddress();
    } catch (IOException e) {
      return null; // closed
    }
  }

  // It is never connected.

  @Override
  protected SocketAddress remoteAddress0() {
    return null;
  }

  @Override
  protected boolean doConnect(SocketAddress remote, SocketAddress local) {
    throw new UnsupportedOperationException();
  }

  @Override
  protected void doFinishConnect() {
    throw new UnsupportedOperationException();
  }

  @Override
  protected void doDisconnect() {
    throw new UnsupportedOperationException();
  }
}
