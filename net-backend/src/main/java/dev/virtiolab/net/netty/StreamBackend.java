package dev.virtiolab.net.netty;

import dev.virtiolab.net.BackendOpenException;
import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioChannelOption;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.BiConsumer;
import java.util.random.RandomGenerator;
import jdk.net.ExtendedSocketOptions;

/**
 * A wire to one other process, as QEMU's {@code -netdev stream} speaks it: each frame behind its
 * length, 4 bytes, big-endian, over TCP or a unix socket, with TLS if asked.
 *
 * <p>The link is up while a peer is connected, and with TLS once both have shown a certificate that
 * the other trusts. A client whose peer is not there, or went, tries again, later and later; a
 * server takes one peer at a time and closes the connection of a second. A frame that was half sent
 * or half received when a connection ended is dropped.
 */
public final class StreamBackend extends NettyBackend {
  private static final System.Logger LOG = System.getLogger(StreamBackend.class.getName());

  private static final int CONNECT_MILLIS = 5000;

  // A peer that is gone without a word is noticed after some 25 s: it would hold a server's place.
  private static final int KEEPALIVE_IDLE_SECONDS = 10;
  private static final int KEEPALIVE_INTERVAL_SECONDS = 5;
  private static final int KEEPALIVE_PROBES = 3;

  private static final long CLOSE_NOTIFY_MILLIS = 500;

  private final StreamConfig config;
  private final TlsFolder.Engines engines;
  private final Backoff backoff;
  private final AtomicLongArray troubles = new AtomicLongArray(StreamTrouble.values().length);

  private StreamAddress address;
  private final BiConsumer<StreamTrouble, String> listener;
  private volatile long connects;

  // On the event loop.
  private Channel listening;
  private UnixSocketFile file;
  private StreamConnection current;
  private Future<?> retry;
  private long upSince;

  private StreamBackend(
      StreamConfig config, TlsFolder.Engines engines, BiConsumer<StreamTrouble, String> listener) {
    super("stream", NioIoHandler.newFactory());
    this.config = config;
    this.engines = engines;
    this.listener = listener;
    address = config.address();
    RandomGenerator random =
        config.seed().isPresent()
            ? new SplittableRandom(config.seed().getAsLong())
            : new SplittableRandom();
    backoff = new Backoff(Math.max(1, config.reconnect().toMillis()), random);
  }

  /**
   * Listens, or begins to connect; the link may come up later, which {@link #onReady} tells.
   *
   * @throws BackendOpenException if it cannot listen there, or a certificate cannot be read
   */
  public static StreamBackend open(StreamConfig config) {
    return open(config, (trouble, line) -> log(config, trouble, line));
  }

  /**
   * Likewise.
   *
   * @param listener told of the first trouble of each kind, in one line about the peer, instead of
   *     the log; on a thread of the back end's own, so it must be quick
   */
  public static StreamBackend open(
      StreamConfig config, BiConsumer<StreamTrouble, String> listener) {
    TlsFolder.Engines engines =
        config.tls().isPresent()
            ? TlsFolder.read(config.toString(), config.tls().get(), config.listens())
            : null;
    StreamBackend backend = new StreamBackend(config, engines, listener);
    try {
      if (config.listens()) {
        backend.listen();
      } else {
        backend.loop.execute(backend::connect);
      }
      return backend;
    } catch (RuntimeException | Error e) {
      backend.close();
      throw e;
    }
  }

  /** Where it listens, a port that was given to it included, or connects to. */
  public StreamAddress address() {
    return address;
  }

  /** Connections that came up so far; any thread. */
  public long connects() {
    return connects;
  }

  /** How often that befell it; any thread. */
  public long count(StreamTrouble trouble) {
    return troubles.get(trouble.ordinal());
  }

  /** As on the command line, with the port that was given. */
  @Override
  public String toString() {
    return "stream:" + (config.listens() ? "listen:" : "") + address;
  }

  // A server.

  private void listen() {
    boolean unix = address instanceof StreamAddress.Unix;
    if (address instanceof StreamAddress.Unix(var path)) {
      UnixSocketFile.sweepStale(config.toString(), path);
    }
    ServerBootstrap server =
        new ServerBootstrap()
            .group(loop, loop)
            .channelFactory(() -> unix ? unixServer() : new NioServerSocketChannel())
            .childHandler(initializer());
    ChannelFuture bound = server.bind(address.toSocketAddress()).awaitUninterruptibly();
    if (!bound.isSuccess()) {
      throw new BackendOpenException(
          config.toString(), "cannot listen: " + reason(bound.cause()), bound.cause());
    }
    listening = bound.channel();
    if (address instanceof StreamAddress.Unix(var path)) {
      file = UnixSocketFile.of(path);
    }
    if (address instanceof StreamAddress.Tcp(var host, var _)) {
      address =
          new StreamAddress.Tcp(host, ((InetSocketAddress) listening.localAddress()).getPort());
    }
  }

  private static UnixServerChannel unixServer() {
    try {
      return new UnixServerChannel();
    } catch (IOException e) {
      throw new ChannelException(e);
    }
  }

  // A client.

  private void connect() {
    retry = null;
    if (closed()) {
      return;
    }
    boolean unix = address instanceof StreamAddress.Unix;
    new Bootstrap()
        .group(loop)
        .channelFactory(() -> unix ? new NioDomainSocketChannel() : new NioSocketChannel())
        .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_MILLIS)
        .handler(initializer())
        .connect(address.toSocketAddress())
        .addListener(
            attempt -> {
              if (!attempt.isSuccess()) {
                current = null;
                trouble(StreamTrouble.NO_PEER, reason(attempt.cause()));
                connectLater();
              }
            });
  }

  private void connectLater() {
    if (!closed() && retry == null && !config.reconnect().isZero()) {
      retry = loop.schedule(this::connect, backoff.nextMillis(), TimeUnit.MILLISECONDS);
    }
  }

  // Both.

  private ChannelInitializer<Channel> initializer() {
    return new ChannelInitializer<>() {
      @Override
      protected void initChannel(Channel channel) {
        begin(channel);
      }
    };
  }

  private void begin(Channel channel) {
    if (current != null || closed()) {
      if (!closed()) {
        trouble(StreamTrouble.SECOND_PEER, "a second peer came and was sent away");
      }
      channel.close();
      return;
    }
    current = new StreamConnection(this, engines != null);
    if (channel instanceof NioSocketChannel tcp) {
      tcp.config().setTcpNoDelay(true).setKeepAlive(true);
      tcp.config()
          .setOption(
              NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPIDLE), KEEPALIVE_IDLE_SECONDS);
      tcp.config()
          .setOption(
              NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPINTERVAL),
              KEEPALIVE_INTERVAL_SECONDS);
      tcp.config()
          .setOption(NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPCOUNT), KEEPALIVE_PROBES);
    }
    if (engines != null) {
      channel.pipeline().addLast(new TlsRecordWatch(current, config.patience().toNanos()));
      SslHandler handler = new SslHandler(engines.newEngine(address));
      handler.setHandshakeTimeoutMillis(Math.max(1, config.patience().toMillis()));
      handler.setCloseNotifyFlushTimeoutMillis(CLOSE_NOTIFY_MILLIS);
      channel.pipeline().addLast(handler);
    } else {
      channel.config().setRecvByteBufAllocator(new RingReads(in, inBytes));
    }
    channel.pipeline().addLast(current);
  }

  /** What waited for an earlier peer is not for this one. */
  void connected(StreamConnection connection) {
    loseOut();
    connects++;
    upSince = System.nanoTime();
    setLink(true);
    connection.send();
  }

  void ended(StreamConnection connection) {
    if (connection != current) {
      return;
    }
    current = null;
    if (linkUp() && System.nanoTime() - upSince > config.reconnect().toNanos()) {
      backoff.reset(); // it lasted: this is not a peer that comes and goes
    }
    setLink(false);
    loseOut();
    if (!config.listens()) {
      connectLater();
    }
  }

  void trouble(StreamTrouble trouble, String what) {
    // Told before it is counted: who sees the count can rely on the line.
    if (troubles.get(trouble.ordinal()) == 0) {
      listener.accept(trouble, what);
    }
    troubles.incrementAndGet(trouble.ordinal());
  }

  boolean listens() {
    return config.listens();
  }

  long patienceNanos() {
    return config.patience().toNanos();
  }

  private static void log(StreamConfig config, StreamTrouble trouble, String what) {
    boolean usual = trouble == StreamTrouble.NO_PEER || trouble == StreamTrouble.BROKEN;
    LOG.log(
        usual ? System.Logger.Level.DEBUG : System.Logger.Level.WARNING, "{0}: {1}", config, what);
  }

  private static String reason(Throwable cause) {
    // Netty's exceptions have the address after the reason of the one that they carry.
    Throwable plain =
        cause instanceof java.net.ConnectException && cause.getCause() != null
            ? cause.getCause()
            : cause;
    return plain instanceof java.net.UnknownHostException
            || plain instanceof java.nio.channels.UnresolvedAddressException
        ? "no such host"
        : String.valueOf(plain.getMessage());
  }

  @Override
  void drain() {
    if (current != null && current.up()) {
      current.send();
    } else {
      loseOut();
    }
  }

  @Override
  void resume() {
    if (current != null) {
      current.resume();
    }
  }

  @Override
  void shut() {
    if (retry != null) {
      retry.cancel(false);
    }
    if (file != null) {
      file.remove(); // before the close: see there
    }
    if (listening != null) {
      listening.close();
    }
    if (current != null) {
      current.close();
    }
  }
}
