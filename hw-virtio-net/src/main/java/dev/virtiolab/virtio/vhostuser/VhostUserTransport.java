package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_ACCESS_PLATFORM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_EVENT_IDX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_RING_RESET;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MQ;
import static dev.virtiolab.virtio.vhostuser.ProtocolFeatures.F_LOG_ALL;
import static dev.virtiolab.virtio.vhostuser.ProtocolFeatures.F_PROTOCOL_FEATURES;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.posix.Epoll;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.Uninterruptibly;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.queue.QueueResume;
import dev.virtiolab.virtio.queue.SplitQueueLayout;
import dev.virtiolab.virtio.transport.VirtioDevice;
import dev.virtiolab.virtio.transport.VirtioTransport;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A virtio device whose registers are messages: rings that start and stop, memory that comes and
 * goes, kicks and interrupts by eventfd. One front-end after another uses it.
 *
 * <p>Every method is called with {@link #lock} held, but for those that say so.
 */
final class VhostUserTransport implements VirtioTransport, VhostMemory.Misses, AutoCloseable {
  private static final System.Logger LOG = System.getLogger(VhostUserTransport.class.getName());

  private static final VarHandle LE16 =
      ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  /**
   * Features of the device that need what vhost-user has no word for, or that a front-end serves
   * itself: resetting one queue, data in a notification (38, 39); the control queue and all that is
   * asked for there (2, 17 to 21, 23). Not so MQ, by which a front-end knows that it may offer more
   * pairs of queues: which are in use it says by SET_VRING_ENABLE.
   */
  private static final long WITHHELD =
      VIRTIO_F_RING_RESET | 1L << 38 | 1L << 39 | 1L << 2 | (0x7fL << 17 & ~VIRTIO_NET_F_MQ);

  /** How often a ring without a kick is looked at by a device that is else asleep. */
  private static final long POLLED_REST_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

  /** How long the device may keep the lock before it is looked whether a front-end keeps it. */
  private static final long RELIEF_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  /** How often a translation that has not come is asked for again. */
  private static final long PENDING_REST_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  // Fair: the device's thread takes it again and again, and a message must not wait for its pause.
  private final ReentrantLock lock = new ReentrantLock(true);
  private final VirtioDevice device;
  private final VhostMemory memory = new VhostMemory(this);
  private final IotlbMisses asked = new IotlbMisses();
  private final Epoll kicks = Epoll.create();
  private final int[] kicked;
  private final DmaWindow window = new DmaWindow();
  private final Vring[] rings;

  private long features;
  private long protocol;
  private int running;
  private boolean broken;
  private DirtyLog log;
  private BackEndChannel channel;
  private volatile long restNanos = Poll.FOREVER;

  /** A ring would start if only the translation of its used ring came. */
  private volatile boolean ringWaits;

  /**
   * Plugs the device in.
   *
   * @param ringCount rings that front-ends have a say in: the first ones of the device's
   */
  VhostUserTransport(VirtioDevice device, int ringCount) {
    this.device = device;
    rings = new Vring[ringCount];
    kicked = new int[rings.length];
    for (int i = 0; i < rings.length; i++) {
      rings[i] = new Vring(i, memory);
    }
    device.plugIn(this);
  }

  // ---- what the device asks

  @Override
  public ReentrantLock lock() {
    return lock;
  }

  @Override
  public BusMemory memory() {
    return memory;
  }

  @Override
  public boolean live() {
    return running != 0 && !broken;
  }

  @Override
  public boolean queueEnabled(int queue) {
    return queue < rings.length && rings[queue].enabled;
  }

  @Override
  public boolean choosesQueues() {
    return true;
  }

  @Override
  public void queueInterrupt(int queue) {
    EventFd call = rings[queue].call;
    if (call != null) {
      call.signal();
    }
  }

  @Override
  public void configChanged() {
    if (channel != null && FeatureBits.has(protocol, ProtocolFeatures.CONFIG)) {
      channel.tellConfigChange();
    }
  }

  @Override
  public void needsReset() {
    broken = true;
    for (Vring ring : rings) {
      tellError(ring);
    }
  }

  private static void tellError(Vring ring) {
    if (ring.error != null) {
      ring.error.signal();
    }
  }

  @Override
  public int kickFd() {
    return kicks.fd();
  }

  @Override
  public void takeKicks() {
    int count = kicks.take(kicked);
    for (int i = 0; i < count; i++) {
      device.kick(kicked[i]);
    }
  }

  @Override
  public long restNanos() {
    return restNanos;
  }

  @Override
  public DmaFault missed(long address, int permissions) {
    if (channel == null) {
      return DmaFault.NOT_MAPPED;
    }
    return switch (asked.verdict(address, permissions, System.nanoTime())) {
      case REFUSED -> DmaFault.NOT_MAPPED;
      case WAIT -> DmaFault.TRANSLATION_PENDING;
      case ASK -> {
        boolean acknowledged = FeatureBits.has(protocol, ProtocolFeatures.REPLY_ACK);
        if (!channel.askFor(address, permissions, acknowledged)) {
          asked.notSent(address, permissions);
        } else if (acknowledged) {
          asked.sent(address, permissions);
        }
        restNanos = PENDING_REST_NANOS;
        yield DmaFault.TRANSLATION_PENDING;
      }
    };
  }

  // ---- what a session does

  /**
   * Takes the lock; the session's thread, with it not held. The device may hold it in the midst of
   * write(2): a front-end can make its eventfds block again, and fill their counters. So they are
   * emptied.
   */
  void enter() {
    while (!Uninterruptibly.tryLock(lock, RELIEF_NANOS)) {
      for (Vring ring : rings) {
        ring.relieve();
      }
    }
  }

  Vring ring(int index) {
    return rings[index];
  }

  int rings() {
    return rings.length;
  }

  VirtioDevice device() {
    return device;
  }

  VhostMemory view() {
    return memory;
  }

  boolean anyRunning() {
    return running != 0;
  }

  /** What GET_FEATURES answers: 64 bits, and so none of those beyond. */
  long offered() {
    return device.offeredFeatures().low() & ~WITHHELD | F_PROTOCOL_FEATURES | F_LOG_ALL;
  }

  /** SET_PROTOCOL_FEATURES. */
  void protocol(long agreed) {
    protocol = agreed;
  }

  /** SET_FEATURES: those of the device hold until they are set anew, with every ring stopped. */
  void agree(long wanted) throws RefusedException {
    if ((wanted & ~offered()) != 0) {
      throw new RefusedException(
          "features that are not offered: " + FeatureBits.names(wanted & ~offered()));
    }
    long own = F_PROTOCOL_FEATURES | F_LOG_ALL;
    long bits = wanted & ~own;
    if (bits != (features & ~own)) {
      if (running != 0) {
        throw new RefusedException("other features while a ring runs");
      }
      if (bits != 0 && !FeatureBits.has(bits, device.requiredFeatures())) {
        throw new RefusedException(
            "features without "
                + FeatureBits.names(device.requiredFeatures() & ~bits)
                + ": there is no legacy device");
      }
      device.reset();
      if (bits != 0) {
        device.featuresAgreed(Features.of(bits));
      }
      memory.translate(FeatureBits.has(bits, VIRTIO_F_ACCESS_PLATFORM));
      asked.forget();
    }
    features = wanted;
    if (!FeatureBits.has(wanted, F_PROTOCOL_FEATURES)) {
      for (Vring ring : rings) {
        ring.enabled = true;
      }
    }
    refreshLog();
  }

  private void refreshLog() {
    DirtyLog to = FeatureBits.has(features, F_LOG_ALL) ? log : null;
    for (Vring ring : rings) {
      ring.logTo(to);
    }
  }

  /** SET_LOG_BASE; the log before, which the caller releases, or null. */
  DirtyLog log(DirtyLog to) {
    DirtyLog before = log;
    log = to;
    refreshLog();
    return before;
  }

  /** SET_BACKEND_REQ_FD; the channel before, which the caller closes, or null. */
  BackEndChannel channel(BackEndChannel to) {
    BackEndChannel before = channel;
    channel = to;
    asked.clear();
    return before;
  }

  /** The front-end has answered the oldest miss. */
  void missAnswered() {
    asked.answered();
    startWaiting();
    device.wake();
  }

  /** IOTLB_MSG, an update: rings that waited for it start. */
  void translation(long iova, long size, long user, int permissions) throws RefusedException {
    memory.update(iova, size, user, permissions);
    asked.came(iova, size, permissions);
    startWaiting();
    refreshRest();
    device.wake();
  }

  /** Whether a ring waits for a translation, so that it is to be tried again; any thread. */
  boolean ringWaits() {
    return ringWaits;
  }

  /** Tries again to start rings that wait for a translation. */
  void startWaiting() {
    if (!ringWaits) {
      return;
    }
    ringWaits = false;
    for (Vring ring : rings) {
      try {
        start(ring);
      } catch (RefusedException e) {
        breakRing(ring, e.getMessage());
      }
    }
  }

  /** The memory is other memory now; rings that run are found again in it, or stopped. */
  void replaceMemory(MemoryTable table) {
    memory.replace(table);
    if (memory.translated()) {
      return; // by I/O virtual address nothing has moved
    }
    for (Vring ring : rings) {
      if (!ring.running) {
        continue;
      }
      try {
        if (place(ring, ring.at.descriptors(), descriptorBytes(ring)) != ring.placed
            || place(ring, ring.at.available(), availableBytes(ring)) < 0
            || place(ring, ring.at.used(), usedBytes(ring)) < 0) {
          restart(ring);
        }
      } catch (RefusedException e) {
        breakRing(ring, e.getMessage());
      }
    }
  }

  private void restart(Vring ring) throws RefusedException {
    halt(ring);
    start(ring);
  }

  /** A ring cannot go on, and no request is to blame that could be refused. */
  private void breakRing(Vring ring, String why) {
    LOG.log(System.Logger.Level.WARNING, "vhost-user: ring {0} stops: {1}", ring.index, why);
    if (ring.running) {
      halt(ring);
    }
    ring.at = null; // until it is said anew where it is
    tellError(ring);
  }

  /**
   * SET_VRING_ADDR, of a ring whose size is known. A ring that runs stays where it is: only what is
   * logged of it can change.
   */
  void addresses(Vring ring, long descriptors, long used, long available, boolean log, long logTo)
      throws RefusedException {
    if (ring.running
        && (descriptors != ring.at.descriptors()
            || used != ring.at.used()
            || available != ring.at.available())) {
      throw new RefusedException("ring %d runs: it cannot move".formatted(ring.index));
    }
    place(ring, descriptors, descriptorBytes(ring));
    place(ring, available, availableBytes(ring));
    place(ring, used, usedBytes(ring));
    Vring.Place before = ring.at;
    ring.at = new Vring.Place(descriptors, available, used, log, logTo);
    startOr(ring, () -> ring.at = before);
  }

  /** SET_VRING_KICK: the ring starts as soon as everything is there. */
  void kick(Vring ring, EventFd kick) throws RefusedException {
    boolean setBefore = ring.kickSet;
    ring.kickSet = true;
    startOr(
        ring,
        () -> {
          ring.kickSet = setBefore;
          if (kick != null) {
            kick.close();
          }
        });
    dropKick(ring);
    ring.kick = kick;
    ring.kickSet = true;
    if (kick != null) {
      kicks.addEdge(kick.fd(), ring.index);
    }
    refreshRest();
    device.wake();
  }

  private void dropKick(Vring ring) {
    if (ring.kick != null) {
      kicks.remove(ring.kick.fd());
    }
    ring.dropKick();
  }

  /** GET_VRING_BASE: the ring stops; the index of the chain that would have been next. */
  int stop(Vring ring) {
    if (ring.running) {
      ring.base = device.availIndex(ring.index);
      halt(ring);
    }
    dropKick(ring);
    refreshRest();
    return ring.base;
  }

  private void halt(Vring ring) {
    device.resetQueue(ring.index);
    ring.running = false;
    running--;
    if (running == 0) {
      broken = false; // every queue that could be broken has been reset
    }
  }

  /**
   * Where a user address is on the device's bus, with VIRTIO_F_ACCESS_PLATFORM itself.
   *
   * @throws RefusedException if the range does not lie in one region
   */
  long place(Vring ring, long address, long bytes) throws RefusedException {
    if (memory.translated()) {
      return address;
    }
    MemoryRegion region = memory.table().atUser(address);
    if (region == null || bytes > region.userBase() + region.size() - address) {
      throw new RefusedException(
          "ring %d lies outside the memory regions: user=0x%x size=0x%x"
              .formatted(ring.index, address, bytes));
    }
    return region.guestBase() + (address - region.userBase());
  }

  private static long descriptorBytes(Vring ring) {
    return SplitQueueLayout.descriptorBytes(ring.size);
  }

  private long availableBytes(Vring ring) {
    return SplitQueueLayout.availBytes(ring.size, eventIdx());
  }

  private long usedBytes(Vring ring) {
    return SplitQueueLayout.usedBytes(ring.size, eventIdx());
  }

  private boolean eventIdx() {
    return FeatureBits.has(features, VIRTIO_F_EVENT_IDX);
  }

  /**
   * SET_VRING_ENABLE. A ring that is enabled for the first time since it stopped starts now; one
   * that is disabled later goes on, without effects.
   */
  void enable(Vring ring, boolean on) throws RefusedException {
    boolean before = ring.enabled;
    ring.enabled = on;
    startOr(ring, () -> ring.enabled = before);
    device.wake();
  }

  /** Starts the ring if it can, and undoes the request that may have completed it if that fails. */
  private void startOr(Vring ring, Runnable undo) throws RefusedException {
    try {
      start(ring);
    } catch (RefusedException e) {
      undo.run();
      throw e;
    }
  }

  /**
   * Starts a ring for which everything is there. That it has to be enabled for that is our own
   * rule: front-ends set the kick first, and what was in flight when one was connected again would
   * be discarded in between.
   */
  void start(Vring ring) throws RefusedException {
    boolean complete =
        ring.kickSet && ring.enabled && ring.size != 0 && ring.at != null && agreed();
    if (ring.running || !complete) {
      return;
    }
    long descriptors = place(ring, ring.at.descriptors(), descriptorBytes(ring));
    long available = place(ring, ring.at.available(), availableBytes(ring));
    long used = place(ring, ring.at.used(), usedBytes(ring));
    if (descriptors % SplitQueueLayout.DESC_ALIGNMENT != 0
        || available % SplitQueueLayout.AVAIL_ALIGNMENT != 0
        || used % SplitQueueLayout.USED_ALIGNMENT != 0) {
      throw new RefusedException("ring %d is not aligned".formatted(ring.index));
    }
    if (!memory.resolve(used + SplitQueueLayout.USED_IDX, DmaAccess.WRITE, window)) {
      if (window.fault() == DmaFault.TRANSLATION_PENDING) {
        ringWaits = true; // it is asked for, and comes by here again
        return;
      }
      throw new RefusedException(
          "ring %d: the used ring at 0x%x cannot be reached: %s"
              .formatted(ring.index, used, window.fault()));
    }
    // Acquire: what the device before wrote before it stored the index is seen.
    long at = window.offset(used + SplitQueueLayout.USED_IDX);
    int usedIndex = (short) LE16.getAcquire(window.segment(), at) & 0xffff;
    window.clear();
    int[] heads = ring.inflight == null ? new int[0] : ring.inflight.recover(usedIndex);
    if (ring.base != usedIndex && ring.inflight == null) {
      // Chains were taken and not used by who was here before. It used them in order, so they are
      // those from used.idx on, and nothing is lost by taking them again.
      LOG.log(
          System.Logger.Level.INFO,
          "vhost-user: ring {0} goes on at its used index {1}, not at {2}",
          ring.index,
          usedIndex,
          ring.base);
    }
    ring.running = true;
    ring.placed = descriptors;
    running++;
    device.resumeQueue(
        ring.index,
        ring.size,
        descriptors,
        available,
        used,
        new QueueResume(usedIndex, usedIndex, heads, ring));
  }

  private boolean agreed() {
    return FeatureBits.has(features, device.requiredFeatures());
  }

  private void refreshRest() {
    boolean polled = false;
    for (Vring ring : rings) {
      polled |= ring.running && ring.kick == null;
    }
    restNanos = polled ? POLLED_REST_NANOS : asked.any() ? PENDING_REST_NANOS : Poll.FOREVER;
  }

  /** RESET_DEVICE: every ring is stopped and forgotten, and the device is as after power-on. */
  void resetDevice() {
    for (Vring ring : rings) {
      EventFd call = ring.call;
      EventFd error = ring.error;
      ring.call = null;
      ring.error = null;
      forget(ring);
      ring.call = call;
      ring.error = error;
    }
    powerOn();
  }

  private void forget(Vring ring) {
    if (ring.running) {
      halt(ring);
    }
    dropKick(ring);
    ring.forget();
  }

  private void powerOn() {
    device.reset();
    broken = false;
    features = 0;
    memory.translate(false);
    asked.forget();
    refreshLog();
    refreshRest();
  }

  /**
   * The front-end is gone: everything that was its is forgotten.
   *
   * @return nothing of the memory, log and channel is used any more; they are the caller's to close
   */
  Remains forgetFrontEnd() {
    for (Vring ring : rings) {
      forget(ring);
    }
    powerOn();
    protocol = 0;
    Remains remains = new Remains(memory.table(), log(null), channel(null));
    memory.replace(MemoryTable.EMPTY);
    return remains;
  }

  /** What a front-end leaves. */
  record Remains(MemoryTable table, DirtyLog log, BackEndChannel channel) {}

  @Override
  public void close() {
    kicks.close();
  }
}
