package dev.virtiolab.virtio.net;

import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_ACCESS_PLATFORM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_EVENT_IDX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_INDIRECT_DESC;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_RING_RESET;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_VERSION_1;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MAC;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MTU;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_STATUS;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.queue.Chain;
import dev.virtiolab.virtio.queue.Outcome;
import dev.virtiolab.virtio.queue.QueueCounters;
import dev.virtiolab.virtio.queue.QueueResume;
import dev.virtiolab.virtio.queue.QueueState;
import dev.virtiolab.virtio.queue.SplitQueue;
import dev.virtiolab.virtio.transport.VirtioDevice;
import dev.virtiolab.virtio.transport.VirtioTransport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.EnumSet;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;

/**
 * A network device (virtio v1.4, 5.1 "Network Device") between two queues and one back end.
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

  /** Queues of the device. */
  public static final int QUEUES = 2;

  /** Descriptors in a queue, at most. */
  public static final int MAX_QUEUE_SIZE = 256;

  private static final System.Logger LOG = System.getLogger(VirtioNet.class.getName());

  private static final ValueLayout.OfShort LE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final int DEVICE_ID = 1;

  /** Looks at the transmit ring between two looks at the back end: some 100 ns. */
  private static final int IDLE_LOOKS = 64;

  private static final int ETHERNET_CONTROLLER = 0x020000;

  private static final int ETHERNET_HEADER_BYTES = 14;
  private static final int ETHERTYPE_OFFSET = 12;
  private static final short ETHERTYPE_VLAN = (short) 0x8100;
  private static final short ETHERTYPE_SERVICE_VLAN = (short) 0x88a8;
  private static final int VLAN_TAG_BYTES = 4;

  /** Of frames where no MTU was negotiated; leaves room for a tag. */
  private static final int NO_LIMIT = Integer.MAX_VALUE - VLAN_TAG_BYTES;

  /** Flags that leave work to the device which it did not offer to do. */
  private static final int OFFLOAD_FLAGS =
      NetHeaderLayout.F_NEEDS_CSUM | NetHeaderLayout.F_UDP_TUNNEL_CSUM;

  /**
   * What a device can be told.
   *
   * @param mac 6 bytes
   * @param mtu bytes of payload per frame, 68 to 65535; empty to leave it to the driver
   * @param offerAccessPlatform whether to offer VIRTIO_F_ACCESS_PLATFORM
   * @param requireAccessPlatform whether to refuse a driver that does not accept it
   */
  public record Config(
      byte[] mac, OptionalInt mtu, boolean offerAccessPlatform, boolean requireAccessPlatform) {
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
      mac = mac.clone();
    }

    /** A copy of the address. */
    @Override
    public byte[] mac() {
      return mac.clone();
    }
  }

  private final Config config;
  private final NetBackend backend;
  private final NetCounters counters = new NetCounters();
  private final Chain chain = new Chain(MAX_QUEUE_SIZE);
  private final MemorySegment txHeader = Arena.ofAuto().allocate(NetHeaderLayout.BYTES, 8);
  private final MemorySegment rxHeader = Arena.ofAuto().allocate(NetHeaderLayout.BYTES, 8);
  private final byte[] mac;
  private final Set<Drop> dropsLogged = EnumSet.noneOf(Drop.class);
  private boolean breakdownLogged;

  private VirtioTransport transport;
  private SplitQueue receive;
  private SplitQueue transmit;
  private volatile Runnable waker = () -> {};
  private volatile NicObserver observer = NicObserver.NONE;

  private long features;

  /** Longest frame that the negotiated MTU allows either way, without a VLAN tag. */
  private int longestFrame = NO_LIMIT;

  /** Whether somebody wants the cable plugged in: {@link #setLink}. */
  private volatile boolean cable = true;

  /** The link as the configuration shows it, to a driver that polls it without the lock too. */
  private volatile boolean linkUp;

  /** The wire had no room for the next frame: it will say when it has. */
  private boolean txHeld;

  /** A device in front of {@code backend}, which it drives from now on and does not close. */
  public VirtioNet(Config config, NetBackend backend) {
    this.config = Objects.requireNonNull(config);
    this.backend = Objects.requireNonNull(backend);
    mac = config.mac();
    linkUp = backend.linkUp();
    // flags and gso_type stay 0: no offload is offered. One buffer per frame (5.1.6.3.2).
    rxHeader.set(LE16, NetHeaderLayout.NUM_BUFFERS, (short) 1);
    backend.onReady(this::wake);
  }

  /** What it has done; any thread. */
  public NetCounters counters() {
    return counters;
  }

  /**
   * What one of its queues has seen; any thread, once the device is plugged in.
   *
   * @param queue {@link #RECEIVE_QUEUE} or {@link #TRANSMIT_QUEUE}
   */
  public QueueCounters queueCounters(int queue) {
    return queue(queue).counters();
  }

  /**
   * Tells {@code listener} what happens from now on, instead of whom it told before. Any thread.
   */
  public void observe(NicObserver listener) {
    observer = listener;
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
        breakDown(why);
      }
    } finally {
      transport.lock().unlock();
    }
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
        transmit.enableKicks();
        receive.enableKicks();
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
      if (transport.live()) {
        transmit.disableKicks();
        receive.disableKicks();
      }
      int moved = move(budget);
      if (moved == 0 && !txHeld && transport.live()) {
        // The next look at the back end may be a system call; one at the ring costs a load.
        transmit.spin(IDLE_LOOKS);
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
   * <p>A frame that waits for a receive buffer, and a transmit chain that waits for room on the
   * wire, are no work: a kick will come for the one, {@link NetBackend#onReady} for the other.
   */
  Rest rest() {
    transport.lock().lock();
    try {
      if (linkUp != linkNow()) {
        return Rest.NONE;
      }
      if (!transport.live()) {
        return Rest.WAKE;
      }
      boolean toSend = transmit.enableKicks() && !txHeld;
      boolean room = receive.enableKicks() && transport.queueEnabled(RECEIVE_QUEUE);
      boolean frame = backend.peek() != 0;
      if (room && !frame) {
        // With buffers to spare it is a frame that is waited for: each further buffer would wake
        // us for nothing.
        receive.disableKicks();
      }
      checkQueues();
      if (toSend || (frame && (room || !linkUp))) {
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
    int sent = transmit(budget);
    // The driver may have broken the first queue; the device then touches neither.
    int received = transport.live() ? receive(budget) : 0;
    return sent + received;
  }

  private int transmit(int budget) {
    int sent = 0;
    boolean heldBefore = txHeld;
    txHeld = false;
    for (int taken = 0; taken < budget; taken++) {
      if (!next(transmit, TRANSMIT_QUEUE)) {
        break;
      }
      if (chain.readableParts() == 0) {
        // QEMU gives up as well: there is no header to be wrong.
        breakDown("a transmit buffer that cannot be read");
        break;
      }
      int length = send();
      if (length < 0) {
        if (txHeld && !(heldBefore && taken == 0)) {
          counters.held(); // once for each frame, however often it is tried
        }
        leave(transmit, TRANSMIT_QUEUE);
        break;
      }
      complete(transmit, TRANSMIT_QUEUE, 0);
      if (length > 0) {
        counters.sent(length);
        sent++;
      }
    }
    if (sent > 0) {
      backend.flush();
    }
    if (transmit.publish()) {
      interrupt(TRANSMIT_QUEUE);
    }
    checkQueues();
    return sent;
  }

  // ---- a chain's way through a queue

  private boolean next(SplitQueue queue, int number) {
    if (queue.next(chain) != Outcome.CHAIN) {
      return false;
    }
    observer.chainTaken(number, chain.head(), chain.readableBytes(), chain.writableBytes());
    return true;
  }

  private void leave(SplitQueue queue, int number) {
    queue.rewind(chain);
    observer.chainLeft(number, chain.head());
  }

  private void complete(SplitQueue queue, int number, int writtenBytes) {
    queue.complete(chain, writtenBytes);
    observer.chainUsed(number, chain.head(), writtenBytes);
  }

  /**
   * Sends the frame in {@link #chain}.
   *
   * @return its length; 0 if it was dropped; -1 if it has to stay in the queue
   */
  private int send() {
    int length = chain.readableBytes() - NetHeaderLayout.BYTES;
    if (length < 0) {
      return drop(Drop.TX_SHORT_HEADER);
    }
    DmaFault fault = transmit.gather(chain, 0, txHeader, 0, NetHeaderLayout.BYTES);
    if (fault != DmaFault.NONE) {
      return notReadable(fault);
    }
    // Flags that the device does not know are ignored (5.1.6.2.2); these it knows and cannot serve.
    if ((txHeader.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.FLAGS) & OFFLOAD_FLAGS) != 0
        || txHeader.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.GSO_TYPE)
            != NetHeaderLayout.GSO_NONE) {
      return drop(Drop.TX_OFFLOAD);
    }
    if (length < ETHERNET_HEADER_BYTES) {
      return drop(Drop.TX_RUNT);
    }
    if (length > backend.maxFrameLength()) {
      return drop(Drop.TX_GIANT);
    }
    if (length > longestFrame + VLAN_TAG_BYTES) {
      return drop(Drop.TX_OVER_MTU);
    }
    if (!linkUp) {
      return drop(Drop.TX_LINK_DOWN);
    }
    if (!transport.queueEnabled(TRANSMIT_QUEUE)) {
      return drop(Drop.TX_DISABLED);
    }
    if (!backend.claim(length)) {
      txHeld = true;
      return -1;
    }
    fault =
        transmit.gather(
            chain, NetHeaderLayout.BYTES, backend.claimed(), backend.claimedOffset(), length);
    if (fault != DmaFault.NONE) {
      backend.abort();
      return notReadable(fault);
    }
    // Only now the frame lies where the driver cannot change its type any more.
    if (length > longestFrame && overMtu(length, backend.claimed(), backend.claimedOffset())) {
      backend.abort();
      return drop(Drop.TX_OVER_MTU);
    }
    backend.commit();
    return length;
  }

  private int receive(int budget) {
    int received = 0;
    // What arrives for a queue that is disabled waits on the wire, as where there are no buffers.
    int most = transport.queueEnabled(RECEIVE_QUEUE) ? budget : 0;
    for (int seen = 0; seen < most; seen++) {
      int length = backend.peek();
      if (length == 0) {
        break;
      }
      if (!linkUp) {
        drop(Drop.RX_LINK_DOWN);
        backend.release();
        continue;
      }
      if (length > longestFrame && overMtu(length, backend.peeked(), backend.peekedOffset())) {
        drop(Drop.RX_OVER_MTU);
        backend.release();
        continue;
      }
      if (!next(receive, RECEIVE_QUEUE)) {
        break;
      }
      if (chain.writableParts() == 0) {
        breakDown("a receive buffer that cannot be written");
        break;
      }
      if (chain.writableBytes() - NetHeaderLayout.BYTES < length) {
        // Without VIRTIO_NET_F_MRG_RXBUF a frame is in one buffer or in none. The buffer stays: a
        // shorter frame may fit.
        leave(receive, RECEIVE_QUEUE);
        drop(Drop.RX_NO_ROOM);
        backend.release();
        continue;
      }
      DmaFault fault = store(length);
      if (fault.mayPass()) {
        leave(receive, RECEIVE_QUEUE);
        break;
      }
      if (fault == DmaFault.NONE) {
        complete(receive, RECEIVE_QUEUE, NetHeaderLayout.BYTES + length);
        counters.received(length);
        received++;
      } else {
        complete(receive, RECEIVE_QUEUE, 0);
        drop(Drop.RX_DMA_FAULT);
      }
      backend.release();
    }
    if (receive.publish()) {
      interrupt(RECEIVE_QUEUE);
    }
    checkQueues();
    return received;
  }

  /** Puts header and frame into {@link #chain}. */
  private DmaFault store(int length) {
    DmaFault fault = receive.scatter(chain, 0, rxHeader, 0, NetHeaderLayout.BYTES);
    return fault != DmaFault.NONE
        ? fault
        : receive.scatter(
            chain, NetHeaderLayout.BYTES, backend.peeked(), backend.peekedOffset(), length);
  }

  /** "mtu plus low level ethernet header length" (5.1.4.1): a VLAN tag belongs to the header. */
  private boolean overMtu(int length, MemorySegment frame, long at) {
    short type = frame.get(BE16, at + ETHERTYPE_OFFSET);
    boolean tagged = type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN;
    return length > longestFrame + (tagged ? VLAN_TAG_BYTES : 0);
  }

  private int notReadable(DmaFault fault) {
    // The driver took the bus away in mid-batch, or its IOMMU is still asked: the chain waits.
    return fault.mayPass() ? -1 : drop(Drop.TX_DMA_FAULT);
  }

  private int drop(Drop reason) {
    counters.dropped(reason);
    observer.dropped(reason);
    if (dropsLogged.add(reason)) {
      LOG.log(System.Logger.Level.WARNING, "dropped: {0}; further ones are counted", reason.text());
    }
    return 0;
  }

  // ---- interrupts, link, breakdown

  private void interrupt(int queue) {
    counters.queueInterrupt();
    observer.interrupted(queue);
    transport.queueInterrupt(queue);
  }

  private boolean linkNow() {
    return cable && backend.linkUp();
  }

  private void refreshLink() {
    boolean up = linkNow();
    if (up != linkUp) {
      linkUp = up;
      counters.configInterrupt();
      observer.configInterrupted();
      transport.configChanged();
    }
  }

  private void checkQueues() {
    if (transport.live()) {
      checkQueue(receive, "receive");
      checkQueue(transmit, "transmit");
    }
  }

  private void checkQueue(SplitQueue queue, String name) {
    if (queue.state() == QueueState.BROKEN && transport.live()) {
      breakDown("the " + name + " queue: " + queue.error());
    }
  }

  private void breakDown(String why) {
    counters.brokeDown();
    counters.configInterrupt();
    observer.brokeDown(why);
    if (!breakdownLogged) {
      breakdownLogged = true;
      LOG.log(System.Logger.Level.WARNING, "needs a reset: {0}; further ones are counted", why);
    }
    transport.needsReset();
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
    return VIRTIO_F_VERSION_1
        | VIRTIO_F_INDIRECT_DESC
        | VIRTIO_F_EVENT_IDX
        | VIRTIO_F_RING_RESET
        | VIRTIO_NET_F_MAC
        | VIRTIO_NET_F_STATUS
        | (config.mtu().isPresent() ? VIRTIO_NET_F_MTU : 0)
        | (config.offerAccessPlatform() ? VIRTIO_F_ACCESS_PLATFORM : 0);
  }

  @Override
  public long requiredFeatures() {
    return VIRTIO_F_VERSION_1 | (config.requireAccessPlatform() ? VIRTIO_F_ACCESS_PLATFORM : 0);
  }

  @Override
  public int queues() {
    return QUEUES;
  }

  @Override
  public int maxQueueSize() {
    return MAX_QUEUE_SIZE;
  }

  @Override
  public int configBytes() {
    return config.mtu().isPresent()
        ? NetConfigLayout.BYTES_WITH_MTU
        : NetConfigLayout.BYTES_WITHOUT_MTU;
  }

  @Override
  public int configByte(int offset) {
    if (offset < NetConfigLayout.STATUS) {
      return mac[offset] & 0xff;
    }
    int mtu = config.mtu().orElse(0);
    return switch (offset) {
      case NetConfigLayout.STATUS -> linkUp ? NetConfigLayout.STATUS_LINK_UP : 0;
      case NetConfigLayout.MAX_VIRTQUEUE_PAIRS -> 1;
      case NetConfigLayout.MTU -> mtu & 0xff;
      case NetConfigLayout.MTU + 1 -> mtu >>> 8;
      default -> 0;
    };
  }

  /**
   * The address alone can be written, and only before FEATURES_OK: a courtesy to legacy drivers
   * that QEMU keeps up. A driver that follows the specification never does (5.1.4).
   */
  @Override
  public void writeConfigByte(int offset, int value) {
    if (offset < NetConfigLayout.STATUS && features == 0) {
      mac[offset] = (byte) value;
    }
  }

  @Override
  public void plugIn(VirtioTransport into) {
    if (transport != null) {
      throw new IllegalStateException("plugged in already");
    }
    transport = into;
    receive = new SplitQueue(into.memory(), MAX_QUEUE_SIZE);
    transmit = new SplitQueue(into.memory(), MAX_QUEUE_SIZE);
  }

  @Override
  public void featuresAgreed(long agreed) {
    features = agreed;
    if (FeatureBits.has(agreed, VIRTIO_NET_F_MTU)) {
      longestFrame = config.mtu().orElseThrow() + ETHERNET_HEADER_BYTES;
    }
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
    queue(queue)
        .resume(
            size,
            descriptorArea,
            driverArea,
            deviceArea,
            FeatureBits.has(features, VIRTIO_F_EVENT_IDX),
            FeatureBits.has(features, VIRTIO_F_INDIRECT_DESC),
            from);
    checkQueues();
    wake();
  }

  @Override
  public int availIndex(int queue) {
    return queue(queue).availIndex();
  }

  @Override
  public void resetQueue(int queue) {
    queue(queue).reset();
    if (queue == TRANSMIT_QUEUE) {
      txHeld = false;
    }
  }

  @Override
  public void reset() {
    receive.reset();
    transmit.reset();
    features = 0;
    longestFrame = NO_LIMIT;
    txHeld = false;
    System.arraycopy(config.mac(), 0, mac, 0, mac.length);
    counters.wasReset();
    observer.wasReset();
  }

  @Override
  public void kick(int queue) {
    counters.kicked(queue);
    observer.kicked(queue);
    wake();
  }

  @Override
  public void wake() {
    waker.run();
  }

  private SplitQueue queue(int queue) {
    return switch (queue) {
      case RECEIVE_QUEUE -> receive;
      case TRANSMIT_QUEUE -> transmit;
      default -> throw new IllegalArgumentException("queue=" + queue);
    };
  }
}
