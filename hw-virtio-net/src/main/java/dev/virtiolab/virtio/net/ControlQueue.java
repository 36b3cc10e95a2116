package dev.virtiolab.virtio.net;

import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_MAC_ADDR;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_RX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_RX_EXTRA;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_VLAN;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_ANNOUNCE;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MQ;

import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.queue.Chain;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Carries out the driver's commands (virtio v1.4, 5.1.6.5 "Control Virtqueue").
 *
 * <p>A command that is unknown, that needs a feature which was not negotiated, or whose data are
 * not what it takes is answered with VIRTIO_NET_ERR and changes nothing. Only a chain without room
 * for class, command and ack breaks the device, as on QEMU: there is nowhere to put the answer.
 */
final class ControlQueue {
  /** Descriptors in the queue, at most: QEMU's. */
  static final int MAX_SIZE = 64;

  /** Commands in one batch, at most. */
  private static final int BATCH = 16;

  private static final ValueLayout.OfShort LE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt LE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final ValueLayout.OfLong LE64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final NetQueue queue;
  private final NicEvents events;
  private final ReceiveFilter filter;
  private final Orders orders;
  private final Chain chain = new Chain(MAX_SIZE);
  private final MemorySegment ack = Arena.ofAuto().allocate(ControlLayout.ACK_BYTES);
  private final MemorySegment field = Arena.ofAuto().allocate(Long.BYTES, Long.BYTES);
  private final MemorySegment unicast = addresses();
  private final MemorySegment multicast = addresses();

  private Features features = Features.NONE;
  private DmaFault fault = DmaFault.NONE;

  /** What commands change beside the filter. */
  interface Orders {
    /** The driver has made itself known; returns whether it had been asked to. */
    boolean announced();

    /** What the driver takes from now on: GUEST features. */
    void leaveToDriver(Features taken);

    /** So many pairs of queues are used from now on; false if there are not so many. */
    boolean usePairs(int count);
  }

  ControlQueue(NetQueue queue, NicEvents events, ReceiveFilter filter, Orders orders) {
    this.queue = queue;
    this.events = events;
    this.filter = filter;
    this.orders = orders;
  }

  private static MemorySegment addresses() {
    return Arena.ofAuto().allocate(ReceiveFilter.TABLE_ENTRIES * ReceiveFilter.ADDRESS_BYTES);
  }

  NetQueue queue() {
    return queue;
  }

  /** What was negotiated; nothing after a reset. */
  void features(Features agreed) {
    features = agreed;
  }

  /**
   * Carries out what is in the queue, and asks for a kick when there is more.
   *
   * @return whether there is more already
   */
  boolean serve() {
    for (int done = 0; done < BATCH && queue.next(chain); done++) {
      if (chain.writableBytes() < ControlLayout.ACK_BYTES
          || chain.readableBytes() < ControlLayout.DATA) {
        events.breakDown("a control buffer without room for class, command and ack");
        return false;
      }
      if (!answer()) {
        queue.leave(chain);
        break;
      }
    }
    queue.publish();
    boolean more = queue.ring().enableKicks();
    queue.check();
    return more;
  }

  /** Whether the command was carried out, or refused; else its memory is to be asked for again. */
  private boolean answer() {
    fault = DmaFault.NONE;
    boolean ok = run();
    if (fault.mayPass()) {
      return false;
    }
    ack.set(ValueLayout.JAVA_BYTE, 0, (byte) (ok ? ControlLayout.OK : ControlLayout.ERR));
    fault = queue.ring().scatter(chain, 0, ack, 0, ControlLayout.ACK_BYTES);
    if (fault.mayPass()) {
      return false; // Each command can be carried out twice.
    }
    events.counters().commanded(ok);
    queue.complete(chain, fault == DmaFault.NONE ? ControlLayout.ACK_BYTES : 0);
    return true;
  }

  private boolean run() {
    if (!read(0, ControlLayout.DATA, field)) {
      return false;
    }
    int command = field.get(ValueLayout.JAVA_BYTE, ControlLayout.COMMAND) & 0xff;
    return switch (field.get(ValueLayout.JAVA_BYTE, ControlLayout.CLASS) & 0xff) {
      case ControlLayout.RX -> receiveMode(command);
      case ControlLayout.MAC ->
          switch (command) {
            case ControlLayout.MAC_TABLE_SET -> has(VIRTIO_NET_F_CTRL_RX) && setTable();
            case ControlLayout.MAC_ADDR_SET -> has(VIRTIO_NET_F_CTRL_MAC_ADDR) && setStation();
            default -> false;
          };
      case ControlLayout.VLAN -> has(VIRTIO_NET_F_CTRL_VLAN) && vlan(command);
      case ControlLayout.ANNOUNCE ->
          has(VIRTIO_NET_F_GUEST_ANNOUNCE)
              && command == ControlLayout.ANNOUNCE_ACK
              && chain.readableBytes() == ControlLayout.DATA
              && orders.announced();
      case ControlLayout.MQ ->
          has(VIRTIO_NET_F_MQ)
              && command == ControlLayout.MQ_VQ_PAIRS_SET
              && readData(ControlLayout.MQ_BYTES)
              && orders.usePairs(field.get(LE16, 0) & 0xffff);
      case ControlLayout.GUEST_OFFLOADS ->
          has(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)
              && command == ControlLayout.GUEST_OFFLOADS_SET
              && setOffloads();
      default -> false;
    };
  }

  /**
   * "A driver MUST NOT enable an offload for which the appropriate feature has not been
   * negotiated."
   */
  private boolean setOffloads() {
    if (!readData(ControlLayout.GUEST_OFFLOADS_BYTES)) {
      return false;
    }
    long wanted = field.get(LE64, 0);
    if ((wanted & ~NetFeatures.guestOffloads(features)) != 0) {
      return false;
    }
    orders.leaveToDriver(NetFeatures.ofGuestOffloads(wanted));
    return true;
  }

  private boolean receiveMode(int command) {
    boolean extra = command > ControlLayout.RX_ALLMULTI;
    if (!has(extra ? VIRTIO_NET_F_CTRL_RX_EXTRA : VIRTIO_NET_F_CTRL_RX)
        || command > ControlLayout.RX_NOBCAST
        || !readData(1)) {
      return false;
    }
    // "0 (off) or 1 (on)": what else there is, is on.
    boolean on = field.get(ValueLayout.JAVA_BYTE, 0) != 0;
    switch (command) {
      case ControlLayout.RX_PROMISC -> filter.promiscuous(on);
      case ControlLayout.RX_ALLMULTI -> filter.allMulticast(on);
      case ControlLayout.RX_ALLUNI -> filter.allUnicast(on);
      case ControlLayout.RX_NOMULTI -> filter.noMulticast(on);
      case ControlLayout.RX_NOUNI -> filter.noUnicast(on);
      default -> filter.noBroadcast(on);
    }
    return true;
  }

  private boolean setTable() {
    long first = ControlLayout.DATA;
    long unicasts = entries(first, unicast);
    if (unicasts < 0) {
      return false;
    }
    long second = first + tableBytes(unicasts);
    long multicasts = entries(second, multicast);
    if (multicasts < 0 || second + tableBytes(multicasts) != chain.readableBytes()) {
      return false;
    }
    filter.setTable(unicast, unicasts, multicast, multicasts);
    return true;
  }

  private static long tableBytes(long entries) {
    return ControlLayout.MAC_ENTRIES_BYTES + entries * ReceiveFilter.ADDRESS_BYTES;
  }

  /**
   * Reads a table at {@code at} in the chain: as many addresses as the filter could hold, or none.
   *
   * @return its entries; -1 if it is not all there
   */
  private long entries(long at, MemorySegment into) {
    if (at + ControlLayout.MAC_ENTRIES_BYTES > chain.readableBytes()
        || !read((int) at, ControlLayout.MAC_ENTRIES_BYTES, field)) {
      return -1;
    }
    long entries = field.get(LE32, 0) & 0xffff_ffffL;
    if (at + tableBytes(entries) > chain.readableBytes()) {
      return -1;
    }
    boolean all =
        entries > ReceiveFilter.TABLE_ENTRIES
            || read(
                (int) at + ControlLayout.MAC_ENTRIES_BYTES,
                (int) entries * ReceiveFilter.ADDRESS_BYTES,
                into);
    return all ? entries : -1;
  }

  private boolean setStation() {
    if (!readData(ReceiveFilter.ADDRESS_BYTES)) {
      return false;
    }
    filter.station(ReceiveFilter.address(field, 0));
    return true;
  }

  private boolean vlan(int command) {
    if (command > ControlLayout.VLAN_DEL || !readData(ControlLayout.VLAN_BYTES)) {
      return false;
    }
    int vlan = field.get(LE16, 0) & 0xffff;
    if (vlan >= ReceiveFilter.VLANS) {
      return false;
    }
    filter.vlan(vlan, command == ControlLayout.VLAN_ADD);
    return true;
  }

  private boolean has(long feature) {
    return features.has(feature);
  }

  /** Reads command-specific-data of exactly {@code bytes} to {@link #field}. */
  private boolean readData(int bytes) {
    return chain.readableBytes() == ControlLayout.DATA + bytes
        && read(ControlLayout.DATA, bytes, field);
  }

  private boolean read(int at, int bytes, MemorySegment into) {
    fault = queue.ring().gather(chain, at, into, 0, bytes);
    return fault == DmaFault.NONE;
  }
}
