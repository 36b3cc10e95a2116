package dev.virtiolab.virtio.net;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Which frames of the wire are for the driver (virtio v1.4, 5.1.6.5.1 to 5.1.6.5.3). Where the
 * specification leaves the order of the rules open it is QEMU's:
 *
 * <pre>
 *   promiscuous                               everything
 *   tagged, and the VLAN is not in the table  nothing
 *   broadcast                                 unless nobcast
 *   multicast                                 unless nomulti; all of it with allmulti, else by table
 *   unicast                                   unless nouni; all of it with alluni, else the station's
 *                                             own address, and by table
 * </pre>
 *
 * <p>A device begins promiscuous, since a driver without VIRTIO_NET_F_CTRL_RX has no say. A table
 * with more addresses than {@link #TABLE_ENTRIES} lets all of its kind pass.
 */
final class ReceiveFilter {
  /** Addresses that the table holds, of both kinds together. */
  static final int TABLE_ENTRIES = 64;

  /** VLAN identifiers that there are. */
  static final int VLANS = 4096;

  /** Bytes of an address. */
  static final int ADDRESS_BYTES = 6;

  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfInt BE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  // An Ethernet frame
  private static final int TYPE = 12;
  private static final int TAG = 14;
  private static final int HEADER_BYTES = 14;
  private static final int TAGGED_HEADER_BYTES = 18;
  private static final int TYPE_VLAN = 0x8100;
  private static final int VLAN_MASK = VLANS - 1;

  /** The bit that makes an address one of a group, in the 48 bits of an address. */
  private static final long GROUP = 1L << 40;

  private static final long BROADCAST = 0xffff_ffff_ffffL;

  /** The station's own address; read by drivers that look at the configuration, too. */
  private volatile long station;

  private boolean promiscuous;
  private boolean allMulticast;
  private boolean allUnicast;
  private boolean noMulticast;
  private boolean noUnicast;
  private boolean noBroadcast;

  private final long[] table = new long[TABLE_ENTRIES];
  private int unicasts;
  private int entries;
  private boolean unicastOverflow;
  private boolean multicastOverflow;

  private final long[] vlans = new long[VLANS / Long.SIZE];

  ReceiveFilter(long station) {
    reset(station);
  }

  /** As after power-on: everything passes. */
  void reset(long stationAddress) {
    station = stationAddress;
    promiscuous = true;
    allMulticast = false;
    allUnicast = false;
    noMulticast = false;
    noUnicast = false;
    noBroadcast = false;
    clearTable();
    filterVlans(false);
  }

  /** The 48 bits of the address at {@code offset}, the first octet on top. */
  static long address(MemorySegment memory, long offset) {
    return (memory.get(BE32, offset) & 0xffff_ffffL) << 16 | memory.get(BE16, offset + 4) & 0xffffL;
  }

  // ---- what the driver sets

  long station() {
    return station;
  }

  void station(long address) {
    station = address;
  }

  void promiscuous(boolean on) {
    promiscuous = on;
  }

  void allMulticast(boolean on) {
    allMulticast = on;
  }

  void allUnicast(boolean on) {
    allUnicast = on;
  }

  void noMulticast(boolean on) {
    noMulticast = on;
  }

  void noUnicast(boolean on) {
    noUnicast = on;
  }

  void noBroadcast(boolean on) {
    noBroadcast = on;
  }

  void clearTable() {
    unicasts = 0;
    entries = 0;
    unicastOverflow = false;
    multicastOverflow = false;
  }

  /**
   * Fills the table anew.
   *
   * @param unicast addresses, one after the other; those of groups follow in {@code multicast}
   * @param unicastCount how many the driver has; if they do not fit, all unicast passes
   */
  void setTable(
      MemorySegment unicast, long unicastCount, MemorySegment multicast, long multicastCount) {
    clearTable();
    unicastOverflow = !add(unicast, unicastCount);
    unicasts = entries;
    multicastOverflow = !add(multicast, multicastCount);
  }

  private boolean add(MemorySegment addresses, long count) {
    if (count > TABLE_ENTRIES - entries) {
      return false;
    }
    for (int i = 0; i < count; i++) {
      table[entries++] = address(addresses, (long) i * ADDRESS_BYTES);
    }
    return true;
  }

  /** Begins with an empty table of VLANs, or with none at all: then every tag passes. */
  void filterVlans(boolean on) {
    Arrays.fill(vlans, on ? 0 : -1L);
  }

  /**
   * @param vlan 0 to 4095
   */
  void vlan(int vlan, boolean on) {
    long bit = 1L << vlan;
    vlans[vlan / Long.SIZE] = on ? vlans[vlan / Long.SIZE] | bit : vlans[vlan / Long.SIZE] & ~bit;
  }

  // ---- the wire

  /** Whether a frame is for the driver. */
  boolean accepts(MemorySegment frame, long offset, int length) {
    return promiscuous || (length >= HEADER_BYTES && passes(frame, offset, length));
  }

  private boolean passes(MemorySegment frame, long offset, int length) {
    if (length >= TAGGED_HEADER_BYTES
        && (frame.get(BE16, offset + TYPE) & 0xffff) == TYPE_VLAN
        && !hasVlan(frame.get(BE16, offset + TAG) & VLAN_MASK)) {
      return false;
    }
    long to = address(frame, offset);
    if (to == BROADCAST) {
      return !noBroadcast;
    }
    if ((to & GROUP) != 0) {
      return !noMulticast && (allMulticast || multicastOverflow || inTable(to, unicasts, entries));
    }
    return !noUnicast
        && (allUnicast || unicastOverflow || to == station || inTable(to, 0, unicasts));
  }

  private boolean hasVlan(int vlan) {
    return (vlans[vlan / Long.SIZE] >>> vlan & 1) != 0;
  }

  private boolean inTable(long address, int from, int to) {
    for (int i = from; i < to; i++) {
      if (table[i] == address) {
        return true;
      }
    }
    return false;
  }
}
