package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * The translations that were asked for and have not come: each page is asked for once, until it
 * comes or is refused. Where no answer was asked for it is asked for again after a while.
 *
 * <p>An answer does not say what it answers, but answers come in the order of the questions: so
 * both are numbered. A question that a translation has settled, or about which nobody wants to know
 * any more, is answered sometime nevertheless.
 *
 * <p>Whoever holds the device's lock uses it.
 */
final class IotlbMisses {
  /** Pages that are asked for at the same time, at most. */
  static final int CAPACITY = 64;

  static final long AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** What to do about an address that has no translation. */
  enum Verdict {
    /** Ask for it. */
    ASK,
    /** It was asked for, or so many others are that it cannot be yet: wait. */
    WAIT,
    /** The front-end has answered that there is none. */
    REFUSED
  }

  private static final int NONE = 0;
  private static final int ASKED = 1;
  private static final int DENIED = 2;

  private final long[] page = new long[CAPACITY];
  private final int[] permission = new int[CAPACITY];
  private final int[] state = new int[CAPACITY];
  private final long[] askedAt = new long[CAPACITY];

  /** The number of the question about the page; 0 of one that will not be answered. */
  private final long[] question = new long[CAPACITY];

  /** The first unanswered question; questions are numbered from 1. */
  private long unanswered = 1;

  /** The number of the next question. */
  private long next = 1;

  /**
   * Decides about an address, and notes a question that is to be asked now.
   *
   * @param now the present time of System.nanoTime
   */
  Verdict verdict(long address, int permissions, long now) {
    long wanted = address & -PhysicalMemory.PAGE_BYTES;
    int free = -1;
    for (int i = 0; i < CAPACITY; i++) {
      if (state[i] != NONE && page[i] == wanted && (permission[i] & permissions) == permissions) {
        if (state[i] == DENIED) {
          state[i] = NONE; // the next one who wants it asks again
          return Verdict.REFUSED;
        }
        if (!isOver(i, now)) {
          return Verdict.WAIT;
        }
        free = i;
        break;
      }
      if (state[i] == NONE || free < 0 && isOver(i, now)) {
        free = i;
      }
    }
    if (free < 0) {
      return Verdict.WAIT;
    }
    page[free] = wanted;
    permission[free] = permissions;
    state[free] = ASKED;
    askedAt[free] = now;
    question[free] = 0;
    return Verdict.ASK;
  }

  /** Whether nothing more will come of what a page was asked for. */
  private boolean isOver(int slot, long now) {
    return state[slot] == DENIED || question[slot] == 0 && now - askedAt[slot] >= AGAIN_NANOS;
  }

  /** The question about {@code address} is on its way, and will be answered. */
  void sent(long address, int permissions) {
    int slot = slot(address & -PhysicalMemory.PAGE_BYTES, permissions);
    question[slot] = next++;
  }

  /** The question about {@code address} could not be sent: it is asked again. */
  void notSent(long address, int permissions) {
    state[slot(address & -PhysicalMemory.PAGE_BYTES, permissions)] = NONE;
  }

  /**
   * The front-end is done with the oldest question. If no translation has come meanwhile there is
   * none. An answer to nothing is of no consequence.
   */
  void answered() {
    if (unanswered == next) {
      return;
    }
    for (int i = 0; i < CAPACITY; i++) {
      if (state[i] == ASKED && question[i] == unanswered) {
        state[i] = DENIED;
      }
    }
    unanswered++;
  }

  /** A translation has come: whoever asked for a page in it, and for no more, asks no more. */
  void came(long address, long size, int permissions) {
    for (int i = 0; i < CAPACITY; i++) {
      if (state[i] != NONE
          && page[i] >= address
          && page[i] - address < size
          && (permission[i] & permissions) == permission[i]) {
        state[i] = NONE;
      }
    }
  }

  /** Whether something was asked for that has not come. */
  boolean any() {
    for (int each : state) {
      if (each != NONE) {
        return true;
      }
    }
    return false;
  }

  /** Nobody wants to know any more what was asked for. The answers will come nevertheless. */
  void forget() {
    Arrays.fill(state, NONE);
  }

  /** Whoever was asked is gone, and with him the answers. */
  void clear() {
    forget();
    unanswered = next;
  }

  private int slot(long wanted, int permissions) {
    for (int i = 0; i < CAPACITY; i++) {
      if (state[i] == ASKED && page[i] == wanted && permission[i] == permissions) {
        return i;
      }
    }
    throw new IllegalStateException("not asked for: 0x" + Long.toHexString(wanted));
  }
}
