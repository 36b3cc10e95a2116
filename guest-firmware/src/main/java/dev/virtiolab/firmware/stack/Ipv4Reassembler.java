package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Puts fragments together: RFC 791, 3.2 "Fragmentation and Reassembly".
 *
 * <p>A datagram is told by source, destination, protocol and identification. A fragment that comes
 * again byte for byte is ignored. One that overlaps and contradicts others, or a second end, drops
 * the datagram with all of its fragments, those to come included, until its time is over (the rule
 * of RFC 5722 for IPv6). There is room for so many datagrams, each of the largest size; the oldest
 * makes way for a new one. All memory is taken at the start.
 */
final class Ipv4Reassembler {
  static final int DATAGRAMS = 16;
  static final long TIMEOUT_NANOS = 30_000_000_000L;

  private static final int UNITS = (Ipv4Layout.MAX_TOTAL_BYTES + 1) / Ipv4Layout.UNIT_BYTES;
  private static final int UNKNOWN = -1;

  private enum State {
    FREE,
    COLLECTING,
    /** Contradicted: takes its fragments and gives nothing. */
    POISONED
  }

  /** One datagram in the making. */
  private static final class Slot {
    final MemorySegment bytes = MemorySegment.ofArray(new byte[UNITS * Ipv4Layout.UNIT_BYTES]);

    /** One bit per unit that is there. */
    final long[] present = new long[UNITS / Long.SIZE];

    State state = State.FREE;
    int source;
    int destination;
    int protocol;
    int identification;
    long bornNanos;
    int presentUnits;

    /** Bytes of payload; {@link #UNKNOWN} until the last fragment is there. */
    int totalBytes;

    /** One past the last byte that is there. */
    int endBytes;
  }

  private final Slot[] slots = new Slot[DATAGRAMS];
  private final StackCounters counters;
  private Slot complete;

  Ipv4Reassembler(StackCounters counters) {
    this.counters = counters;
    for (int i = 0; i < slots.length; i++) {
      slots[i] = new Slot();
    }
  }

  /**
   * Takes a fragment.
   *
   * @param packet one that is a fragment
   * @param bytes where its payload is
   * @return whether a datagram is complete; {@link #bytes()} and {@link #length()} are it, until
   *     the next call
   */
  boolean add(Ipv4Packet packet, MemorySegment bytes, long nowNanos) {
    complete = null;
    int offset = packet.fragmentOffset();
    int length = packet.payloadLength();
    boolean last = !packet.moreFragments();
    if (length == 0
        || !last && length % Ipv4Layout.UNIT_BYTES != 0
        || offset + length > Ipv4Layout.MAX_PAYLOAD_BYTES) {
      counters.increment(StackCounter.FRAGMENT_MALFORMED);
      return false;
    }
    Slot slot = find(packet);
    if (slot == null) {
      slot = open(packet, nowNanos);
    }
    if (slot.state == State.POISONED) {
      return false;
    }
    int end = offset + length;
    if (last && contradictsEnd(slot, end) || !last && isPastEnd(slot, end)) {
      poison(slot);
      return false;
    }
    int firstUnit = offset / Ipv4Layout.UNIT_BYTES;
    int lastUnit = (end - 1) / Ipv4Layout.UNIT_BYTES;
    int there = countPresent(slot, firstUnit, lastUnit);
    if (there != 0) {
      // Where all of it is there already, and its end too, only the bytes can differ.
      if (there == lastUnit - firstUnit + 1
          && (!last || slot.totalBytes == end)
          && MemorySegment.mismatch(
                  bytes,
                  packet.payloadOffset(),
                  packet.payloadOffset() + length,
                  slot.bytes,
                  offset,
                  end)
              < 0) {
        counters.increment(StackCounter.FRAGMENT_DUPLICATE);
      } else {
        poison(slot);
      }
      return false;
    }
    MemorySegment.copy(bytes, packet.payloadOffset(), slot.bytes, offset, length);
    markPresent(slot, firstUnit, lastUnit);
    slot.endBytes = Math.max(slot.endBytes, end);
    if (last) {
      slot.totalBytes = end;
    }
    if (slot.totalBytes == UNKNOWN || slot.presentUnits != units(slot.totalBytes)) {
      return false;
    }
    slot.state = State.FREE;
    complete = slot;
    counters.increment(StackCounter.DATAGRAMS_REASSEMBLED);
    return true;
  }

  /** The payload of the datagram that is complete, from offset 0. */
  MemorySegment bytes() {
    return complete.bytes;
  }

  /** Its length in bytes. */
  int length() {
    return complete.totalBytes;
  }

  /** Drops datagrams of which a fragment has been missing for {@value #TIMEOUT_NANOS} ns. */
  void expire(long nowNanos) {
    for (Slot slot : slots) {
      if (slot.state != State.FREE && nowNanos - slot.bornNanos >= TIMEOUT_NANOS) {
        slot.state = State.FREE;
        counters.increment(StackCounter.REASSEMBLY_TIMEOUT);
      }
    }
  }

  /** Whether this end is not the one that was told before, or bytes past it are there. */
  private static boolean contradictsEnd(Slot slot, int end) {
    return slot.totalBytes != UNKNOWN && slot.totalBytes != end || slot.endBytes > end;
  }

  private static boolean isPastEnd(Slot slot, int end) {
    return slot.totalBytes != UNKNOWN && end > slot.totalBytes;
  }

  private void poison(Slot slot) {
    slot.state = State.POISONED;
    counters.increment(StackCounter.FRAGMENT_OVERLAP);
  }

  private Slot find(Ipv4Packet packet) {
    for (Slot slot : slots) {
      if (slot.state != State.FREE
          && slot.identification == packet.identification()
          && slot.source == packet.source()
          && slot.destination == packet.destination()
          && slot.protocol == packet.protocol()) {
        return slot;
      }
    }
    return null;
  }

  private Slot open(Ipv4Packet packet, long nowNanos) {
    Slot best = slots[0];
    for (Slot slot : slots) {
      if (slot.state == State.FREE) {
        best = slot;
        break;
      }
      if (slot.bornNanos - best.bornNanos < 0) {
        best = slot;
      }
    }
    if (best.state != State.FREE) {
      counters.increment(StackCounter.REASSEMBLY_EVICTED);
    }
    Arrays.fill(best.present, 0);
    best.state = State.COLLECTING;
    best.source = packet.source();
    best.destination = packet.destination();
    best.protocol = packet.protocol();
    best.identification = packet.identification();
    best.bornNanos = nowNanos;
    best.presentUnits = 0;
    best.totalBytes = UNKNOWN;
    best.endBytes = 0;
    return best;
  }

  private static int countPresent(Slot slot, int firstUnit, int lastUnit) {
    int count = 0;
    for (int unit = firstUnit; unit <= lastUnit; unit++) {
      // A shift counts modulo 64.
      count += (int) (slot.present[unit / Long.SIZE] >>> unit & 1);
    }
    return count;
  }

  private static void markPresent(Slot slot, int firstUnit, int lastUnit) {
    for (int unit = firstUnit; unit <= lastUnit; unit++) {
      slot.present[unit / Long.SIZE] |= 1L << unit;
    }
    slot.presentUnits += lastUnit - firstUnit + 1;
  }

  private static int units(int bytes) {
    return (bytes + Ipv4Layout.UNIT_BYTES - 1) / Ipv4Layout.UNIT_BYTES;
  }
}
