package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * The translations that were asked for and have not come: each page is asked for once, until it
 * comes, is refused, or was asked for so long ago that the question may be lost.
 *
 * <p>Whoever holds the device's lock uses it.
 */
final class IotlbMisses {
  /** Pages that are asked for at the same time, at most. */
  static final int CAPACITY = 64;

  private static final long AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** What to do about an address that has no translation. */
  enum Verdict {
    /** Ask for it. */
    ASK,
    /** It was asked for: wait. */
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

  /** The question that was asked last about the page; 0 before it was sent. */
  private final long[] question = new long[CAPACITY];

  /** Questions that were sent and not answered, in their order: answers come in that order. */
  private final long[] order = new long[CAPACITY];

  private long questions;

  private int first;
  private int outstanding;

  /**
   * Decides about an address, and notes a question that is to be asked now.
   *
   * @param now the present time of System.nanoTime
   */
  Verdict verdict(long address, int permissions, long now) {
    long wanted = address & -PhysicalMemory.PAGE_BYTES;
    int free = -1;
    for (int i = 0; i < CAPACITY; i++) {
      if (state[i] == NONE) {
        free = i;
      } else if (page[i] == wanted && (permission[i] & permissions) == permissions) {
        if (state[i] == DENIED) {
          state[i] = NONE; // the next one who wants it asks again
          return Verdict.REFUSED;
        }
        if (now - askedAt[i] < AGAIN_NANOS) {
          return Verdict.WAIT;
        }
        askedAt[i] = now;
        return Verdict.ASK;
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

  /** The question about {@code address} is on its way, and will be acknowledged. */
  void sent(long address, int permissions) {
    int slot = slot(address & -PhysicalMemory.PAGE_BYTES, permissions);
    if (slot >= 0 && outstanding < CAPACITY) {
      question[slot] = ++questions;
      order[(first + outstanding++) % CAPACITY] = questions;
    }
  }

  /** The question about {@code address} could not be sent: it is asked again. */
  void notSent(long address, int permissions) {
    int slot = slot(address & -PhysicalMemory.PAGE_BYTES, permissions);
    if (slot >= 0) {
      state[slot] = NONE;
    }
  }

  /**
   * The front-end is done with the oldest question. If no translation has come meanwhile there is
   * none.
   *
   * @return whether there was a question
   */
  boolean answered() {
    if (outstanding == 0) {
      return false;
    }
    long answered = order[first];
    first = (first + 1) % CAPACITY;
    outstanding--;
    for (int i = 0; i < CAPACITY; i++) {
      // Not who has the slot by now, nor who has asked again since.
      if (state[i] == ASKED && question[i] == answered) {
        state[i] = DENIED;
      }
    }
    return true;
  }

  /** A translation has come: whoever asked for a page in it asks no more. */
  void came(long address, long size) {
    for (int i = 0; i < CAPACITY; i++) {
      if (state[i] != NONE && page[i] >= address && page[i] - address < size) {
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

  void clear() {
    Arrays.fill(state, NONE);
    outstanding = 0;
  }

  private int slot(long wanted, int permissions) {
    for (int i = 0; i < CAPACITY; i++) {
      if (state[i] == ASKED && page[i] == wanted && permission[i] == permissions) {
        return i;
      }
    }
    return -1;
  }
}
