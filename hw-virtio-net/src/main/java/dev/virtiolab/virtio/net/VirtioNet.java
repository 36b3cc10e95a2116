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
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MQ;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MRG_RXBUF;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MTU;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_SPEED_DUPLEX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_STATUS;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.queue.QueueCounters;
import dev.virtiolab.virtio.queue.QueueResume;
import dev.virtiolab.virtio.transport.LegacyDevice;
import dev.virtiolab.virtio.transport.VirtioDevice;
import dev.virtiolab.virtio.transport.VirtioTransport;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * A network device (virtio v1.4, 5.1 "Network Device") between its queues and one back end, or
 * between several pairs of queues and as many queues of an interface.
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

  /** controlq for a driver that knows of one pair of queues, which it follows. */
  public static final int CONTROL_QUEUE = 2;

  /** Queues for such a driver. */
  public static final int QUEUES = 3;

  /** Pairs of queues, at most. */
  public static final int MAX_PAIRS = 16;

  /** Descriptors in a receive or transmit queue, at most. */
  public static final int MAX_QUEUE_SIZE = 256;

  private static final int DEVICE_ID = 1;

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
      Features features,
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
      if (!NetFeatures.KNOWN.has(features)) {
        throw new IllegalArgumentException(
            "cannot be offered: " + features.without(NetFeatures.KNOWN));
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
    public Config withFeatures(Features features) {
      return new Config(mac, mtu, offerAccessPlatform, requireAccessPlatform, features, speed);
    }

    /** A copy of the address. */
    @Override
    public byte[] mac() {
      return mac.clone();
    }
  }

  private final Config config;
  private final Features offered;
  private final int configBytes;
  private final List<NetBackend> wires;
  private final NetCounters counters;
  private final NicEvents events;
  private final Link link;
  private final ReceiveFilter filter;
  private final FrameLimit limit = new FrameLimit();

  private VirtioTransport transport;
  private QueuePairs pairs;
  private ControlQueue control;

  /** The number of the control queue, as the driver knows it. */
  private volatile int controlNumber = CONTROL_QUEUE;

  private volatile Runnable waker = () -> {};

  private Features features = Features.NONE;

  /** Whether somebody wants the cable plugged in: {@link #setLink}. */
  private volatile boolean cable = true;

  /**
   * The control queue is looked at after a kick, not all the time. Set by any thread, cleared by
   * the one that looks.
   */
  private volatile boolean commanded;

  /** Somebody wants the driver to make itself known: {@link #announce}. */
  private volatile boolean announcementWanted;

  /** It has been asked to: VIRTIO_NET_S_ANNOUNCE. */
  private volatile boolean announcing;

  /** A device in front of {@code backend}, which it drives from now on and does not close. */
  public VirtioNet(Config config, NetBackend backend) {
    this(config, List.of(backend));
  }

  /**
   * A device with as many pairs of queues as there are wires, each in front of one. Where there are
   * several VIRTIO_NET_F_MQ is offered with the control queue; a driver that does not accept it has
   * the first alone.
   *
   * @param wires one, or the queues of one interface, in order; driven from now on, and not closed
   * @throws IllegalArgumentException if there are none, or more than {@value #MAX_PAIRS}
   */
  public VirtioNet(Config config, List<? extends NetBackend> wires) {
    this.config = Objects.requireNonNull(config);
    this.wires = List.copyOf(wires);
    if (wires.isEmpty() || wires.size() > MAX_PAIRS) {
      throw new IllegalArgumentException(
          "%d wires; there are 1 to %d pairs of queues".formatted(wires.size(), MAX_PAIRS));
    }
    counters = new NetCounters(2 * wires.size() + 1);
    events = new NicEvents(counters);
    link = new Link(wires.getFirst().linkUp());
    filter = new ReceiveFilter(station(config));
    offered =
        NetFeatures.consistent(config.features().with(wires.size() > 1 ? VIRTIO_NET_F_MQ : 0))
            .with(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC)
            .with(config.mtu().isPresent() ? VIRTIO_NET_F_MTU : 0)
            .with(config.offerAccessPlatform() ? VIRTIO_F_ACCESS_PLATFORM : 0);
    configBytes = configBytes(offered);
    wires.forEach(wire -> wire.onReady(() -> waker.run()));
  }

  private static long station(Config config) {
    long bits = 0;
    for (byte octet : config.mac()) {
      bits = bits << Byte.SIZE | octet & 0xff;
    }
    return bits;
  }

  /** The configuration ends after the last field whose feature is offered, as on QEMU. */
  private static int configBytes(Features offered) {
    if (offered.has(VIRTIO_NET_F_SPEED_DUPLEX)) {
      return NetConfigLayout.BYTES;
    }
    if (offered.has(VIRTIO_NET_F_MTU)) {
      return NetConfigLayout.SPEED;
    }
    if (offered.has(VIRTIO_NET_F_MQ)) {
      return NetConfigLayout.MTU;
    }
    return offered.has(VIRTIO_NET_F_STATUS)
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
   * @param queue its number, such as {@link #RECEIVE_QUEUE}, as the driver knows it now
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
    waker.run();
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
    waker.run();
  }

  /**
   * Asks the driver to make itself known on the wire, as after a move to another one: at the next
   * {@link #poll}, if it negotiated VIRTIO_NET_F_GUEST_ANNOUNCE; else nothing happens. Any thread.
   */
  public void announce() {
    announcementWanted = true;
    waker.run();
  }

  // ---- one batch

  /**
   * Moves at most {@code budget} frames each way, then asks the driver for a kick when there is
   * more. Never waits for anything but the device's lock.
   *
   * @param budget frames in each direction of each pair of queues, at least 1
   * @return frames moved; 0 also if the device is not live
   */
  public int poll(int budget) {
    transport.lock().lock();
    try {
      int moved = move(budget);
      if (transport.live()) {
        pairs.enableKicks();
        pairs.check();
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
      if (transport.live()) {
        pairs.disableKicks();
      }
      int moved = move(budget);
      if (moved == 0 && transport.live()) {
        pairs.spin();
      }
      return moved;
    } finally {
      transport.lock().unlock();
    }
  }

  /**
   * Asks the driver for kicks, and looks whether something came before it could know.
   *
   * <p>A frame that waits for receive buffers, and a transmit chain that waits for room on the
   * wire, are no work: a kick will come for the one, {@link NetBackend#onReady} for the other.
   *
   * @return whether there is nothing to do but to wait: for a kick, a word of a back end, or a
   *     frame where {@link #awaitsFrame}
   */
  boolean rest() {
    transport.lock().lock();
    try {
      if (link.up() != linkNow()) {
        return false;
      }
      if (!transport.live()) {
        pairs.awaitNoFrame();
        return true;
      }
      boolean work = pairs.rest();
      pairs.check();
      if (transport.takeRetried()) {
        commanded = true; // A command may be what was put off.
        return false;
      }
      return !(work || commanded || announcementWanted);
    } finally {
      transport.lock().unlock();
    }
  }

  /** The wires, one for each pair of queues. */
  List<NetBackend> wires() {
    return wires;
  }

  /**
   * Whether a frame on that wire would be work: as {@link #rest} has found, by whom it is asked.
   */
  boolean awaitsFrame(int wire) {
    return pairs.pair(wire).awaitsFrame();
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
      // Cleared before the look, and after it at most set: a driver kicks for its next command as
      // soon as it has its answer, and that may be before this thread is done with the first.
      commanded = false;
      if (control.serve()) {
        commanded = true;
      }
    }
    return pairs.move(budget);
  }

  // ---- link, announcement, breakdown

  private boolean linkNow() {
    return cable && wires.getFirst().linkUp();
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
    if (features.has(VIRTIO_NET_F_GUEST_ANNOUNCE) && !announcing) {
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
  public Features offeredFeatures() {
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
    return 2 * wires.size() + controlQueues();
  }

  /** "N=1 if neither VIRTIO_NET_F_MQ nor VIRTIO_NET_F_RSS are negotiated" (5.1.2). */
  @Override
  public int queues(Features wanted) {
    return controlNumber(wanted) + controlQueues();
  }

  private int controlQueues() {
    return offered.has(VIRTIO_NET_F_CTRL_VQ) ? 1 : 0;
  }

  private int controlNumber(Features wanted) {
    return wanted.among(offered).has(VIRTIO_NET_F_MQ) ? 2 * wires.size() : CONTROL_QUEUE;
  }

  @Override
  public int maxQueueSize() {
    return MAX_QUEUE_SIZE;
  }

  @Override
  public int queueSize(int queue, Features wanted) {
    if (queue >= queues(wanted)) {
      return 0;
    }
    return queue == controlNumber(wanted) ? ControlQueue.MAX_SIZE : MAX_QUEUE_SIZE;
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
      case NetConfigLayout.MAX_VIRTQUEUE_PAIRS -> wires.size();
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
    pairs = new QueuePairs(into, wires, link, filter, limit, events);
    NetQueue commands =
        new NetQueue(into.memory(), ControlQueue.MAX_SIZE, CONTROL_QUEUE, "control", events);
    control = new ControlQueue(commands, events, filter, new Orders());
    numberControl(Features.NONE);
  }

  /** What the driver's commands change beside the filter. */
  private final class Orders implements ControlQueue.Orders {
    @Override
    public boolean announced() {
      return VirtioNet.this.announced();
    }

    @Override
    public void leaveToDriver(Features taken) {
      VirtioNet.this.leaveToDriver(taken);
    }

    @Override
    public boolean usePairs(int count) {
      return pairs.select(count);
    }
  }

  /** The control queue follows the pairs that the driver knows of. */
  private void numberControl(Features agreed) {
    controlNumber = transport.choosesQueues() ? 2 * wires.size() : controlNumber(agreed);
    control.queue().renumber(controlNumber);
  }

  @Override
  public void featuresAgreed(Features agreed) {
    features = agreed;
    Features holding = NetFeatures.consistent(LegacyNet.translated(agreed));
    numberControl(agreed);
    pairs.agreed(
        agreed.has(VIRTIO_NET_F_MQ),
        NetHeader.bytes(agreed),
        holding.has(VIRTIO_NET_F_MRG_RXBUF),
        NetFeatures.hostWork(holding));
    leaveToDriver(holding);
    if (holding.has(VIRTIO_NET_F_MTU)) {
      limit.mtu(config.mtu().orElseThrow());
    }
    filter.filterVlans(holding.has(VIRTIO_NET_F_CTRL_VLAN));
    control.features(holding);
  }

  /** What the driver takes: as negotiated, or as it has said by a command. */
  private void leaveToDriver(Features taken) {
    pairs.accept(NetFeatures.guestWork(NetFeatures.consistent(taken)));
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
            features.has(VIRTIO_F_EVENT_IDX),
            features.has(VIRTIO_F_INDIRECT_DESC),
            from);
    started.ring().notifyOnEmpty(features.has(VIRTIO_F_NOTIFY_ON_EMPTY));
    started.check();
    if (queue == controlNumber) {
      commanded = true; // What was offered before DRIVER_OK may never be kicked for.
    } else {
      pairs.started(started);
    }
    waker.run();
  }

  @Override
  public int availIndex(int queue) {
    return queue(queue).ring().availIndex();
  }

  @Override
  public void resetQueue(int queue) {
    if (queue == controlNumber) {
      control.queue().ring().reset();
    } else {
      pairs.resetQueue(queue);
    }
  }

  @Override
  public void reset() {
    features = Features.NONE;
    pairs.reset();
    limit.none();
    control.queue().ring().reset();
    numberControl(Features.NONE);
    control.features(Features.NONE);
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
    if (queue == controlNumber) {
      commanded = true;
    }
    waker.run();
  }

  @Override
  public void wake() {
    commanded = true; // A command may be what was held up.
    waker.run();
  }

  private NetQueue queue(int queue) {
    return queue == controlNumber ? control.queue() : pairs.queue(queue);
  }
}
