package dev.virtiolab.virtio.net;

import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_ACCESS_PLATFORM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_EVENT_IDX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_INDIRECT_DESC;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_NOTIFY_ON_EMPTY;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_VERSION_1;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_VLAN;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_VQ;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_ANNOUNCE;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MAC;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MRG_RXBUF;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MTU;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_SPEED_DUPLEX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_STATUS;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.queue.QueueCounters;
import dev.virtiolab.virtio.queue.QueueResume;
import dev.virtiolab.virtio.queue.SplitQueue;
import dev.virtiolab.virtio.transport.LegacyDevice;
import dev.virtiolab.virtio.transport.VirtioDevice;
import dev.virtiolab.virtio.transport.VirtioTransport;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * A network device (virtio v1.4, 5.1 "Network Device") between its queues and one back end.
 *
 * <p>Plug it into a transport once; then whoever has time calls {@link #poll}, or a {@link
 * DeviceLoop} does. A frame is copied once each way, between the driver's buffers and memory that
 * the back end lends; nothing is allocated per frame.
 *
 * <p>A driver that breaks a rule costs itself the device until it resets it; a frame that cannot be
 * moved is dropped and counted. Nothing that a driver does throws.
 */
public final class VirtioNet implements VirtioDevice {
  /** receiveq1 (virtio v1.4, 5.1.2 "Virtqueues"). */
  public static final int RECEIVE_QUEUE = 0;

  /** transmitq1. */
  public static final int TRANSMIT_QUEUE = 1;

  /** controlq of a device with one pair of queues, which it follows. */
  public static final int CONTROL_QUEUE = 2;

  /** Queues of the device. */
  public static final int QUEUES = 3;

  /** Descriptors in a receive or transmit queue, at most. */
  public static final int MAX_QUEUE_SIZE = 256;

  private static final int DEVICE_ID = 1;

  /** Looks at the transmit ring between two looks at the back end: some 100 ns. */
  private static final int IDLE_LOOKS = 64;

  private static final int ETHERNET_CONTROLLER = 0x020000;

  /**
   * What a device can be told.
   *
   * @param mac 6 bytes
   * @param mtu bytes of payload per frame, 68 to 65535; empty to leave it to the driver
   * @param offerAccessPlatform whether to offer VIRTIO_F_ACCESS_PLATFORM
   * @param requireAccessPlatform whether to refuse a driver that does not accept it
   * @param features what else to offer, of {@link NetFeatures#KNOWN}; one that needs another which
   *     is not among them is not offered
   * @param speed what VIRTIO_NET_F_SPEED_DUPLEX says, in MBit/s and full duplex; empty: not known
   */
  public record Config(
      byte[] mac,
      OptionalInt mtu,
      boolean offerAccessPlatform,
      boolean requireAccessPlatform,
      long features,
      OptionalInt speed) {
    /**
     * @throws IllegalArgumentException if a value is out of its range, or a feature is required
     *     that is not offered
     */
    public Config {
      if (mac.length != NetConfigLayout.MAC_BYTES) {
        throw new IllegalArgumentException("mac of " + mac.length + " bytes; it has 6");
      }
      if (mtu.isPresent()
          && (mtu.getAsInt() < NetConfigLayout.MIN_MTU
              || mtu.getAsInt() > NetConfigLayout.MAX_MTU)) {
        throw new IllegalArgumentException("mtu=" + mtu.getAsInt() + "; it is 68 to 65535");
      }
      if (requireAccessPlatform && !offerAccessPlatform) {
        throw new IllegalArgumentException("VIRTIO_F_ACCESS_PLATFORM required but not offered");
      }
      if ((features & ~NetFeatures.KNOWN) != 0) {
        throw new IllegalArgumentException(
            "cannot be offered: " + FeatureBits.names(features & ~NetFeatures.KNOWN));
      }
      if (speed.isPresent() && speed.getAsInt() < 0) {
        throw new IllegalArgumentException("speed=" + speed.getAsInt() + "; it is 0 to 2^31 - 1");
      }
      mac = mac.clone();
      features = NetFeatures.consistent(features);
    }

    /** With {@linkplain NetFeatures#USUAL what is usual} offered. */
    public Config(
        byte[] mac, OptionalInt mtu, boolean offerAccessPlatform, boolean requireAccessPlatform) {
      this(
          mac,
          mtu,
          offerAccessPlatform,
          requireAccessPlatform,
          NetFeatures.USUAL,
          OptionalInt.empty());
    }

    /** The same, with {@code features} offered instead. */
    public Config withFeatures(long features) {
      return new Config(mac, mtu, offerAccessPlatform, requireAccessPlatform, features, speed);
    }

    /** A copy of the address. */
    @Override
    public byte[] mac() {
      return mac.clone();
    }
  }

  private final Config config;
  private final long offered;
  private final int configBytes;
  private final NetBackend backend;
  private final NetCounters counters = new NetCounters(QUEUES);
  private final NicEvents events = new NicEvents(counters);
  private final Link link;
  private final ReceiveFilter filter;
  private final FrameLimit limit = new FrameLimit();

  private VirtioTransport transport;
  private Receiver receiver;
  private Transmitter transmitter;
  private ControlQueue control;
  private volatile Runnable waker = () -> {};

  private long features;

  /** Whether somebody wants the cable plugged in: {@link #setLink}. */
  private volatile boolean cable = true;

  /** The control queue is looked at after a kick, not all the time. */
  private volatile boolean commanded;

  /** Somebody wants the driver to make itself known: {@link #announce}. */
  private volatile boolean announcementWanted;

  /** It has been asked to: VIRTIO_NET_S_ANNOUNCE. */
  private volatile boolean announcing;

  /** A device in front of {@code backend}, which it drives from now on and does not close. */
  public VirtioNet(Config config, NetBackend backend) {
    this.config = Objects.requireNonNull(config);
    this.backend = Objects.requireNonNull(backend);
    link = new Link(backend.linkUp());
    filter = new ReceiveFilter(station(config));
    offered =
        VIRTIO_F_VERSION_1
            | VIRTIO_NET_F_MAC
            | (config.mtu().isPresent() ? VIRTIO_NET_F_MTU : 0)
            | (config.offerAccessPlatform() ? VIRTIO_F_ACCESS_PLATFORM : 0)
            | config.features();
    configBytes = configBytes(offered);
    backend.onReady(this::wake);
  }

  private static long station(Config config) {
    long bits = 0;
    for (byte octet : config.mac()) {
      bits = bits << Byte.SIZE | octet & 0xff;
    }
    return bits;
  }

  /** The configuration ends after the last field whose feature is offered, as on QEMU. */
  private static int configBytes(long offered) {
    if (FeatureBits.has(offered, VIRTIO_NET_F_SPEED_DUPLEX)) {
      return NetConfigLayout.BYTES;
    }
    if (FeatureBits.has(offered, VIRTIO_NET_F_MTU)) {
      return NetConfigLayout.SPEED;
    }
    return FeatureBits.has(offered, VIRTIO_NET_F_STATUS)
        ? NetConfigLayout.MAX_VIRTQUEUE_PAIRS
        : NetConfigLayout.STATUS;
  }

  /** What it has done; any thread. */
  public NetCounters counters() {
    return counters;
  }

  /**
   * What one of its queues has seen; any thread, once the device is plugged in.
   *
   * @param queue its number, such as {@link #RECEIVE_QUEUE}
   */
  public QueueCounters queueCounters(int queue) {
    return queue(queue).ring().counters();
  }

  /**
   * Tells {@code listener} what happens from now on, instead of whom it told before. Any thread.
   */
  public void observe(NicObserver listener) {
    events.observe(listener);
  }

  /** Plugs the cable in or pulls it; the driver is told at the next {@link #poll}. Any thread. */
  public void setLink(boolean up) {
    cable = up;
    wake();
  }

  /**
   * The device meets an error that it cannot go on after, as real ones do: DEVICE_NEEDS_RESET is
   * set, and a driver that is up is told by a configuration interrupt (virtio v1.4, 2.1.2 "Device
   * Requirements: Device Status Field"). No queue is touched until the driver resets the device.
   * Where no driver is up, or it is to reset the device already, nothing changes. Any thread, once
   * the device is plugged in.
   *
   * @param why for the log and for who observes
   */
  public void fail(String why) {
    transport.lock().lock();
    try {
      if (transport.live()) {
        events.breakDown(why);
      }
    } finally {
      transport.lock().unlock();
    }
    wake();
  }

  /**
   * Asks the driver to make itself known on the wire, as after a move to another one: at the next
   * {@link #poll}, if it negotiated VIRTIO_NET_F_GUEST_ANNOUNCE; else nothing happens. Any thread.
   */
  public void announce() {
    announcementWanted = true;
    wake();
  }

  // ---- one batch

  /**
   * Moves at most {@code budget} frames each way, then asks the driver for a kick when there is
   * more. Never waits for anything but the device's lock.
   *
   * @param budget frames in each direction, at least 1
   * @return frames moved; 0 also if the device is not live
   */
  public int poll(int budget) {
    transport.lock().lock();
    try {
      int moved = move(budget);
      if (transport.live()) {
        transmitter.queue().ring().enableKicks();
        receiver.enableKicks();
        checkQueues();
      }
      return moved;
    } finally {
      transport.lock().unlock();
    }
  }

  /** As {@link #poll}, by somebody who will look again soon and needs no kick. */
  public int pollWithoutKicks(int budget) {
    transport.lock().lock();
    try {
      SplitQueue transmitRing = transmitter.queue().ring();
      if (transport.live()) {
        transmitRing.disableKicks();
        receiver.queue().ring().disableKicks();
      }
      int moved = move(budget);
      if (moved == 0 && !transmitter.held() && transport.live()) {
        // The next look at the back end may be a system call; one at the ring costs a load.
        transmitRing.spin(IDLE_LOOKS);
      }
      return moved;
    } finally {
      transport.lock().unlock();
    }
  }

  /** What whoever wants to sleep has to wait for. */
  enum Rest {
    /** Nothing: there is work. */
    NONE,
    /** A kick, or a word of the back end. */
    WAKE,
    /** The same, or a frame. */
    WAKE_OR_FRAME
  }

  /**
   * Asks the driver for kicks, and looks whether something came before it could know.
   *
   * <p>A frame that waits for receive buffers, and a transmit chain that waits for room on the
   * wire, are no work: a kick will come for the one, {@link NetBackend#onReady} for the other.
   */
  Rest rest() {
    transport.lock().lock();
    try {
      if (link.up() != linkNow()) {
        return Rest.NONE;
      }
      if (!transport.live()) {
        return Rest.WAKE;
      }
      boolean toSend = transmitter.queue().ring().enableKicks() && !transmitter.held();
      boolean room = receiver.enableKicks() && transport.queueEnabled(RECEIVE_QUEUE);
      boolean frame = backend.peek() != 0;
      if (room && !frame) {
        // With buffers to spare it is a frame that is waited for: each further buffer would wake
        // us for nothing.
        receiver.queue().ring().disableKicks();
      }
      checkQueues();
      if (toSend || commanded || announcementWanted || (frame && (room || !link.up()))) {
        return Rest.NONE;
      }
      return frame ? Rest.WAKE : Rest.WAKE_OR_FRAME;
    } finally {
      transport.lock().unlock();
    }
  }

  int readableFd() {
    return backend.readableFd();
  }

  /** Where a kick is seen without a call; -1 if nowhere. */
  int kickFd() {
    return transport.kickFd();
  }

  void takeKicks() {
    transport.lock().lock();
    try {
      transport.takeKicks();
    } finally {
      transport.lock().unlock();
    }
  }

  /** How long to sleep at most. */
  long restNanos() {
    return transport.restNanos();
  }

  /** Sets what to run when there may be work; any thread runs it. */
  void onWake(Runnable wake) {
    waker = wake;
  }

  private int move(int budget) {
    refreshLink();
    // Acquire of the kicks: what a driver stored before its kick is seen by this batch.
    counters.kickedAcquire();
    if (!transport.live()) {
      return 0;
    }
    if (announcementWanted) {
      askToAnnounce();
    }
    if (commanded) {
      commanded = false;
      commanded |= control.serve();
    }
    // The driver may have broken a queue; the device then touches none.
    int sent = transport.live() ? transmitter.transmit(budget) : 0;
    int received = transport.live() ? receiver.receive(budget) : 0;
    return sent + received;
  }

  // ---- link, announcement, breakdown

  private boolean linkNow() {
    return cable && backend.linkUp();
  }

  private void refreshLink() {
    boolean up = linkNow();
    if (up != link.up()) {
      link.up(up);
      events.configChanged();
    }
  }

  private void askToAnnounce() {
    announcementWanted = false;
    if (FeatureBits.has(features, VIRTIO_NET_F_GUEST_ANNOUNCE) && !announcing) {
      announcing = true;
      events.configChanged();
    }
  }

  /** The driver has announced itself; returns whether it had been asked to. */
  private boolean announced() {
    boolean asked = announcing;
    announcing = false;
    return asked;
  }

  private void checkQueues() {
    receiver.queue().check();
    transmitter.queue().check();
  }

  // ---- what the transport asks

  @Override
  public int deviceId() {
    return DEVICE_ID;
  }

  @Override
  public int pciClass() {
    return ETHERNET_CONTROLLER;
  }

  @Override
  public long offeredFeatures() {
    return offered;
  }

  @Override
  public long requiredFeatures() {
    return VIRTIO_F_VERSION_1 | (config.requireAccessPlatform() ? VIRTIO_F_ACCESS_PLATFORM : 0);
  }

  @Override
  public LegacyDevice legacy() {
    return LegacyNet.of(offered);
  }

  @Override
  public int queues() {
    return FeatureBits.has(offered, VIRTIO_NET_F_CTRL_VQ) ? QUEUES : CONTROL_QUEUE;
  }

  @Override
  public int queues(long wanted) {
    return queues();
  }

  @Override
  public int maxQueueSize() {
    return MAX_QUEUE_SIZE;
  }

  @Override
  public int queueSize(int queue, long wanted) {
    if (queue >= queues(wanted)) {
      return 0;
    }
    return queue == CONTROL_QUEUE ? ControlQueue.MAX_SIZE : MAX_QUEUE_SIZE;
  }

  @Override
  public int configBytes() {
    return configBytes;
  }

  @Override
  public int configByte(int offset) {
    if (offset < NetConfigLayout.STATUS) {
      return (int) (filter.station() >>> 8 * (NetConfigLayout.MAC_BYTES - 1 - offset)) & 0xff;
    }
    int speed = config.speed().orElse(NetConfigLayout.SPEED_UNKNOWN);
    if (offset >= NetConfigLayout.SPEED && offset < NetConfigLayout.DUPLEX) {
      return speed >>> 8 * (offset - NetConfigLayout.SPEED) & 0xff;
    }
    int mtu = config.mtu().orElse(0);
    return switch (offset) {
      case NetConfigLayout.STATUS ->
          (link.up() ? NetConfigLayout.STATUS_LINK_UP : 0)
              | (announcing ? NetConfigLayout.STATUS_ANNOUNCE : 0);
      case NetConfigLayout.MAX_VIRTQUEUE_PAIRS -> 1;
      case NetConfigLayout.MTU -> mtu & 0xff;
      case NetConfigLayout.MTU + 1 -> mtu >>> 8;
      case NetConfigLayout.DUPLEX ->
          speed == NetConfigLayout.SPEED_UNKNOWN
              ? NetConfigLayout.DUPLEX_UNKNOWN
              : NetConfigLayout.DUPLEX_FULL;
      default -> 0;
    };
  }

  /**
   * The address alone can be written, and only by a legacy driver without a command for it. Before
   * FEATURES_OK every driver may be one; one that follows the specification never writes (5.1.4).
   */
  @Override
  public void writeConfigByte(int offset, int value) {
    if (offset < NetConfigLayout.STATUS && LegacyNet.mayWriteMac(features)) {
      int shift = 8 * (NetConfigLayout.MAC_BYTES - 1 - offset);
      filter.station(filter.station() & ~(0xffL << shift) | (long) value << shift);
    }
  }

  @Override
  public void plugIn(VirtioTransport into) {
    if (transport != null) {
      throw new IllegalStateException("plugged in already");
    }
    transport = into;
    events.plugIn(into);
    NetQueue in = queue(RECEIVE_QUEUE, MAX_QUEUE_SIZE, "receive");
    NetQueue out = queue(TRANSMIT_QUEUE, MAX_QUEUE_SIZE, "transmit");
    receiver = new Receiver(in, backend, link, filter, limit, events);
    transmitter = new Transmitter(out, backend, link, limit, events);
    control =
        new ControlQueue(
            queue(CONTROL_QUEUE, ControlQueue.MAX_SIZE, "control"),
            events,
            filter,
            this::announced,
            this::leaveToDriver);
  }

  private NetQueue queue(int number, int size, String name) {
    return new NetQueue(transport.memory(), size, number, name, events);
  }

  @Override
  public void featuresAgreed(long agreed) {
    features = agreed;
    long holding = NetFeatures.consistent(LegacyNet.translated(agreed));
    receiver.headerBytes(LegacyNet.headerBytes(agreed));
    transmitter.headerBytes(LegacyNet.headerBytes(agreed));
    receiver.mergeable(FeatureBits.has(holding, VIRTIO_NET_F_MRG_RXBUF));
    transmitter.allow(NetFeatures.hostWork(holding));
    leaveToDriver(holding);
    if (FeatureBits.has(holding, VIRTIO_NET_F_MTU)) {
      limit.mtu(config.mtu().orElseThrow());
    }
    filter.filterVlans(FeatureBits.has(holding, VIRTIO_NET_F_CTRL_VLAN));
    control.features(holding);
  }

  /** What the driver takes: as negotiated, or as it has said by a command. */
  private void leaveToDriver(long offloads) {
    receiver.accept(NetFeatures.guestWork(NetFeatures.consistent(offloads)));
  }

  @Override
  public void startQueue(
      int queue, int size, long descriptorArea, long driverArea, long deviceArea) {
    resumeQueue(queue, size, descriptorArea, driverArea, deviceArea, QueueResume.FRESH);
  }

  @Override
  public void resumeQueue(
      int queue,
      int size,
      long descriptorArea,
      long driverArea,
      long deviceArea,
      QueueResume from) {
    NetQueue started = queue(queue);
    started
        .ring()
        .resume(
            size,
            descriptorArea,
            driverArea,
            deviceArea,
            FeatureBits.has(features, VIRTIO_F_EVENT_IDX),
            FeatureBits.has(features, VIRTIO_F_INDIRECT_DESC),
            from);
    started.ring().notifyOnEmpty(FeatureBits.has(features, VIRTIO_F_NOTIFY_ON_EMPTY));
    started.check();
    if (queue == CONTROL_QUEUE) {
      commanded = true; // What was offered before DRIVER_OK may never be kicked for.
    }
    wake();
  }

  @Override
  public int availIndex(int queue) {
    return queue(queue).ring().availIndex();
  }

  @Override
  public void resetQueue(int queue) {
    switch (queue) {
      case RECEIVE_QUEUE -> receiver.resetQueue();
      case TRANSMIT_QUEUE -> transmitter.resetQueue();
      default -> queue(queue).ring().reset();
    }
  }

  @Override
  public void reset() {
    features = 0;
    receiver.reset();
    transmitter.reset();
    limit.none();
    control.queue().ring().reset();
    control.features(0);
    commanded = false;
    announcing = false;
    announcementWanted = false;
    filter.reset(station(config));
    counters.wasReset();
    events.observer().wasReset();
  }

  @Override
  public void kick(int queue) {
    counters.kicked(queue);
    events.observer().kicked(queue);
    if (queue == CONTROL_QUEUE) {
      commanded = true;
    }
    wake();
  }

  @Override
  public void wake() {
    waker.run();
  }

  private NetQueue queue(int queue) {
    return switch (queue) {
      case RECEIVE_QUEUE -> receiver.queue();
      case TRANSMIT_QUEUE -> transmitter.queue();
      case CONTROL_QUEUE -> control.queue();
      default -> throw new IllegalArgumentException("queue=" + queue);
    };
  }
}
