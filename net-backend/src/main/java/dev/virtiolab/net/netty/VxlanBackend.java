package dev.virtiolab.net.netty;

import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.bridge.FilteringDatabase;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.nio.NioIoHandler;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;

/**
 * One host's end of a VXLAN segment (RFC 7348, "Virtual eXtensible Local Area Network"): each frame
 * in a UDP datagram, to the host where its receiver was heard, or to all. The other ends are the
 * Linux kernel's {@code ip link add type vxlan}, or further labs; it takes no multicast group.
 *
 * <pre>
 *   out: WireRing   frame --> peer of its receiver:  known beforehand, else learned
 *                         \-> every peer:            a group, or not known    (bounded per second)
 *   in:  WireRing   frame <-- from a peer, of our VNI, from a station that may be there
 *                             and then the station is learned
 * </pre>
 *
 * <p><b>Who is heard.</b> Peers only. What comes from others, what is no VXLAN, of another segment,
 * or our own, is dropped and counted by its {@link VxlanTrouble}, and nothing is learned from it.
 *
 * <p><b>The link</b> is up until the back end is closed: nobody can know whether a peer is there.
 * What the kernel would not send is lost; a socket without room makes claims wait.
 *
 * <p><b>MTU.</b> {@link #mtu()} is what fits. A larger frame is sent all the same, in fragments,
 * counted and told: a peer need not take those (RFC 7348, 4.3).
 */
public final class VxlanBackend extends NettyBackend {
  private static final System.Logger LOG = System.getLogger(VxlanBackend.class.getName());

  /** Datagrams either way before other work of the event loop has its turn. */
  private static final int FRAMES_PER_TURN = 256;

  /** Reading goes on once so much of the ring is free, after it was full. */
  private static final int RESUME_BYTES = RING_BYTES / 8;

  /**
   * What a station of our own has sent comes back within this time, if it does; later it may be
   * that the station has moved to a peer.
   */
  private static final long OWN_STATION_NANOS = TimeUnit.SECONDS.toNanos(5);

  private static final int OWN_STATIONS = 256;
  private static final int HERE = 0;

  private final VxlanConfig config;
  private final VxlanPeers peers;
  private final VxlanUnderlay underlay;
  private final LongSupplier nanoClock;
  private final BiConsumer<VxlanTrouble, String> listener;
  private final AtomicLongArray troubles = new AtomicLongArray(VxlanTrouble.values().length);
  private final AtomicLongArray events = new AtomicLongArray(VxlanEvent.values().length);

  // On the event loop.
  private final int maxDatagram;
  private final ByteBuffer outBuffer = out.memory().asByteBuffer();
  private final ByteBuffer inBuffer = in.memory().asByteBuffer();
  private final FilteringDatabase stations;
  private final FilteringDatabase ownStations;
  private final StormLimit stormOut;
  private final StormLimit[] stormIn;
  private final Runnable goOn = this::drain;
  private VxlanChannel channel;
  private boolean blocked;
  private boolean paused;

  // The frame at the head of the ring: which peers it still has to go to.
  private boolean begun;
  private int nextPeer;
  private int endPeer;
  private boolean taken;

  private VxlanBackend(
      VxlanConfig config,
      VxlanPeers peers,
      LongSupplier nanoClock,
      BiConsumer<VxlanTrouble, String> listener) {
    super(
        "vxlan",
        NioIoHandler.newFactory(),
        VxlanLayout.HEADER_BYTES,
        maxDatagram(peers) - VxlanLayout.HEADER_BYTES);
    this.config = config;
    this.peers = peers;
    this.nanoClock = nanoClock;
    this.listener = listener;
    maxDatagram = maxDatagram(peers);
    underlay = VxlanUnderlay.of(peers);
    stations = new FilteringDatabase(config.tableSize(), config.ageing().toNanos());
    ownStations = new FilteringDatabase(OWN_STATIONS, OWN_STATION_NANOS);
    long now = nanoClock.getAsLong();
    stormOut = new StormLimit(config.stormFramesPerSecond(), now);
    stormIn = new StormLimit[peers.count()];
    for (int peer = 0; peer < stormIn.length; peer++) {
      stormIn[peer] = new StormLimit(config.stormFramesPerSecond(), now);
    }
  }

  private static int maxDatagram(VxlanPeers peers) {
    return peers.ipv6() ? VxlanLayout.MAX_UDP_BYTES_IPV6 : VxlanLayout.MAX_UDP_BYTES_IPV4;
  }

  /**
   * Binds the socket, and looks the peers up.
   *
   * @throws BackendOpenException if the address cannot be had, or a peer has none
   */
  public static VxlanBackend open(VxlanConfig config) {
    return open(
        config,
        System::nanoTime,
        (trouble, line) -> LOG.log(System.Logger.Level.WARNING, "{0}: {1}", config, line));
  }

  /**
   * Likewise.
   *
   * @param nanoClock by which stations age and storms are measured
   * @param listener told of the first trouble of each kind, in one line, instead of the log; on a
   *     thread of the back end's own, so it must be quick
   */
  public static VxlanBackend open(
      VxlanConfig config, LongSupplier nanoClock, BiConsumer<VxlanTrouble, String> listener) {
    VxlanBackend backend = new VxlanBackend(config, resolve(config), nanoClock, listener);
    try {
      backend.bind();
      return backend;
    } catch (RuntimeException | Error e) {
      backend.close();
      throw e;
    }
  }

  private static VxlanPeers resolve(VxlanConfig config) {
    try {
      return VxlanPeers.resolve(config);
    } catch (UnknownHostException e) {
      throw new BackendOpenException(config.toString(), "no such host: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new BackendOpenException(config.toString(), e.getMessage(), e);
    }
  }

  private void bind() {
    ChannelFuture bound =
        new Bootstrap()
            .group(loop)
            .channelFactory(this::newChannel)
            .handler(new ChannelInboundHandlerAdapter())
            .bind(peers.local())
            .awaitUninterruptibly();
    if (!bound.isSuccess()) {
      throw new BackendOpenException(
          config.toString(),
          "cannot be bound to "
              + config.local()
              + ": "
              + bound.cause().getMessage()
              + " (where the kernel has a vxlan interface on this port, another port or another"
              + " network namespace)",
          bound.cause());
    }
    setLink(true);
  }

  private VxlanChannel newChannel() {
    try {
      channel = new VxlanChannel(peers.ipv6(), new Datagrams());
      return channel;
    } catch (IOException e) {
      throw new ChannelException(e);
    }
  }

  /** What fits in one packet of the underlay, if that is less than 1500 bytes. */
  @Override
  public OptionalInt mtu() {
    return underlay.overlayMtu();
  }

  /** How often that befell it; any thread. */
  public long count(VxlanTrouble trouble) {
    return troubles.get(trouble.ordinal());
  }

  /** How often it did that; any thread. */
  public long count(VxlanEvent event) {
    return events.get(event.ordinal());
  }

  /** As on the command line. */
  @Override
  public String toString() {
    return config.toString();
  }

  // From the device to the peers.

  @Override
  void drain() {
    if (blocked || channel == null || !channel.isActive()) {
      return;
    }
    blocked = !sendAll();
    if (blocked) {
      channel.awaitRoom();
    }
  }

  /** Whether the ring was emptied, or this turn is over; not if the socket has no room. */
  private boolean sendAll() {
    long now = nanoClock.getAsLong();
    for (int frames = 0; frames < FRAMES_PER_TURN; frames++) {
      int bytes = out.peek();
      if (bytes == 0) {
        return true;
      }
      if (!begun) {
        begin((int) out.readOffset(), bytes, now);
      }
      if (!sendCopies((int) out.readOffset(), bytes)) {
        return false;
      }
      begun = false;
      if (!taken) {
        counters().lostOut();
      }
      tellRoom(out.release());
    }
    loop.execute(goOn);
    return true;
  }

  /** Decides where the frame goes, and puts the header in front of it. */
  private void begin(int at, int bytes, long now) {
    begun = true;
    taken = false;
    nextPeer = 0;
    endPeer = 0;
    int frameBytes = bytes - VxlanLayout.HEADER_BYTES;
    if (frameBytes < ETHERNET_HEADER_BYTES) {
      return;
    }
    MemorySegment memory = out.memory();
    memory.set(VxlanLayout.BE32, at + VxlanLayout.FLAGS, VxlanLayout.VNI_IS_VALID);
    memory.set(VxlanLayout.BE32, at + VxlanLayout.VNI, config.vni() << VxlanLayout.VNI_SHIFT);
    int frame = at + VxlanLayout.FRAME;
    long receiver = address(memory, frame + VxlanLayout.DESTINATION);
    long sender = address(memory, frame + VxlanLayout.SOURCE);
    if (isStation(sender)) {
      ownStations.learn(sender, HERE, now);
    }
    int peer = isGroup(receiver) ? VxlanPeers.NOBODY : peerOf(receiver, now);
    if (peer >= 0) {
      nextPeer = peer;
      endPeer = peer + 1;
      count(VxlanEvent.TO_ONE, 1);
    } else {
      flood(receiver, now);
    }
    if (endPeer > nextPeer && underlay.cuts(frameBytes)) {
      tell(VxlanTrouble.FRAGMENTED, frameBytes);
    }
  }

  private int peerOf(long station, long now) {
    int peer = peers.peerOf(station);
    return peer >= 0 ? peer : stations.portOf(station, now);
  }

  private void flood(long receiver, long now) {
    // To a single peer a station that is not known costs no more than one that is.
    boolean multiplies = isGroup(receiver) || peers.flooded() > 1;
    if (peers.flooded() == 0) {
      tell(VxlanTrouble.NO_WAY, 0);
    } else if (multiplies && !stormOut.allows(now)) {
      tell(VxlanTrouble.STORM_OUT, 0);
    } else {
      endPeer = peers.flooded();
      count(VxlanEvent.FLOODED, 1);
    }
  }

  /** Whether the socket had room for every copy that was left. */
  private boolean sendCopies(int at, int bytes) {
    while (nextPeer < endPeer) {
      outBuffer.limit(at + bytes).position(at);
      try {
        if (!channel.send(outBuffer, peers.address(nextPeer))) {
          return false;
        }
        taken = true;
        count(VxlanEvent.DATAGRAMS, 1);
      } catch (IOException e) {
        notSent(e);
      }
      nextPeer++;
    }
    return true;
  }

  private void notSent(IOException e) {
    if (count(VxlanTrouble.NOT_SENT) == 0) {
      listener.accept(
          VxlanTrouble.NOT_SENT,
          "the kernel does not send to "
              + peers.address(nextPeer).getAddress().getHostAddress()
              + ": "
              + e.getMessage());
    }
    troubles.incrementAndGet(VxlanTrouble.NOT_SENT.ordinal());
  }

  // From the peers to the device.

  /** The socket's word. */
  private final class Datagrams implements VxlanChannel.User {
    @Override
    public void readable() {
      receiveAll();
    }

    @Override
    public boolean writable() {
      blocked = !sendAll();
      return !blocked;
    }

    @Override
    public void broke(Throwable cause) {
      LOG.log(System.Logger.Level.ERROR, config + ": a bug", cause);
      setLink(false);
      channel.close();
    }
  }

  private void receiveAll() {
    long now = nanoClock.getAsLong();
    for (int datagrams = 0; datagrams < FRAMES_PER_TURN; datagrams++) {
      if (!in.hasRoom(maxDatagram) && !in.hasRoom(RESUME_BYTES)) {
        paused = true; // resume() is called once there is room
        channel.pause();
        break;
      }
      int at = (int) in.writeOffset();
      inBuffer.limit(at + maxDatagram).position(at);
      InetSocketAddress from;
      try {
        from = channel.receive(inBuffer);
      } catch (IOException e) {
        tell(VxlanTrouble.NOT_RECEIVED, 0);
        break;
      }
      if (from == null) {
        break;
      }
      int bytes = inBuffer.position() - at;
      VxlanTrouble trouble = judge(from, at, bytes, now);
      if (trouble == null) {
        in.commit(bytes);
      } else {
        drop(trouble, from, bytes);
      }
    }
    publishIn();
  }

  @Override
  void resume() {
    if (paused) {
      paused = false;
      channel.read();
    }
  }

  /** What is wrong with a datagram; null if nothing is, and then its sender was learned. */
  private VxlanTrouble judge(InetSocketAddress from, int at, int bytes, long now) {
    int peer = peers.find(from);
    if (peer < 0) {
      return peer == VxlanPeers.OURSELVES ? VxlanTrouble.LOOPED_BACK : VxlanTrouble.UNKNOWN_PEER;
    }
    if (bytes < VxlanLayout.HEADER_BYTES + ETHERNET_HEADER_BYTES) {
      return VxlanTrouble.TRUNCATED;
    }
    MemorySegment memory = in.memory();
    if ((memory.get(VxlanLayout.BE32, at + VxlanLayout.FLAGS) & VxlanLayout.VNI_IS_VALID) == 0) {
      return VxlanTrouble.BAD_FLAGS;
    }
    int vni = memory.get(VxlanLayout.BE32, at + VxlanLayout.VNI) >>> VxlanLayout.VNI_SHIFT;
    if (vni != config.vni()) {
      return VxlanTrouble.WRONG_VNI;
    }
    int frame = at + VxlanLayout.FRAME;
    long sender = address(memory, frame + VxlanLayout.SOURCE);
    if (!isStation(sender)) {
      return VxlanTrouble.BAD_SOURCE;
    }
    if (ownStations.portOf(sender, now) == HERE) {
      return VxlanTrouble.LOOPED_BACK;
    }
    int known = peers.peerOf(sender);
    if (known >= 0 && known != peer) {
      return VxlanTrouble.SPOOFED_STATION;
    }
    if (isGroup(address(memory, frame + VxlanLayout.DESTINATION)) && !stormIn[peer].allows(now)) {
      return VxlanTrouble.STORM_IN;
    }
    if (config.learns() && known < 0) {
      learn(sender, peer, now);
    }
    return null;
  }

  private void learn(long sender, int peer, long now) {
    switch (stations.learn(sender, peer, now)) {
      case KNOWN -> {}
      case NEW -> count(VxlanEvent.LEARNED, 1);
      case MOVED -> count(VxlanEvent.MOVED, 1);
      case REPLACED -> {
        count(VxlanEvent.LEARNED, 1);
        count(VxlanEvent.REPLACED, 1);
      }
    }
  }

  private void drop(VxlanTrouble trouble, InetSocketAddress from, int bytes) {
    if (count(trouble) == 0) {
      listener.accept(
          trouble,
          "dropped "
              + bytes
              + " bytes from "
              + from.getAddress().getHostAddress()
              + " port "
              + from.getPort()
              + ": "
              + trouble.word());
    }
    troubles.incrementAndGet(trouble.ordinal());
    counters().lostIn();
  }

  /** Told before it is counted: who sees the count can rely on the line. */
  private void tell(VxlanTrouble trouble, int frameBytes) {
    if (count(trouble) == 0) {
      listener.accept(
          trouble,
          switch (trouble) {
            case FRAGMENTED ->
                "a frame of "
                    + frameBytes
                    + " bytes makes a packet of "
                    + (frameBytes + underlay.headerBytes())
                    + " where "
                    + underlay.mtu()
                    + " fit: the kernel sends it in fragments, which a peer may drop (RFC 7348,"
                    + " 4.3). An MTU of "
                    + underlay.largestWhole()
                    + " avoids that";
            case STORM_OUT ->
                "more than "
                    + config.stormFramesPerSecond()
                    + " frames a second for everybody: the others are dropped";
            case NO_WAY -> "a receiver that is not known, and no peer to ask: the frame is dropped";
            default -> trouble.word();
          });
    }
    troubles.incrementAndGet(trouble.ordinal());
  }

  private void count(VxlanEvent event, int times) {
    // One thread writes: a plain sum, shown to the others.
    events.setOpaque(event.ordinal(), events.getPlain(event.ordinal()) + times);
  }

  @Override
  void shut() {
    if (channel != null) {
      while (channel.isActive() && !blocked && out.peek() != 0) {
        blocked = !sendAll();
      }
      channel.close();
    }
    loseOut();
  }

  private static long address(MemorySegment memory, int at) {
    return Integer.toUnsignedLong(memory.get(VxlanLayout.BE32, at)) << Short.SIZE
        | Short.toUnsignedLong(memory.get(VxlanLayout.BE16, at + Integer.BYTES));
  }

  private static boolean isGroup(long address) {
    return (address & VxlanLayout.GROUP_BIT) != 0;
  }

  private static boolean isStation(long address) {
    return !isGroup(address) && address != 0;
  }
}
