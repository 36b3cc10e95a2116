package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.posix.EventFd;
import dev.virtiolab.virtio.queue.QueueJournal;

/**
 * What a front-end has said of one ring, and what runs of it: a record with a few rules, kept with
 * the device's lock held.
 *
 * <pre>
 *   stopped ──(size, addresses, features, kick, enable)──► running ──GET_VRING_BASE──► stopped
 *      └───── the used ring's translation is pending ──────┘
 * </pre>
 */
final class Vring implements QueueJournal {
  final int index;

  /** SET_VRING_NUM; 0 before. */
  int size;

  /**
   * SET_VRING_ADDR: addresses as the front-end said them, the user's or I/O virtual ones.
   *
   * @param logUsed VHOST_VRING_F_LOG
   * @param logAddress the guest address that then stands for the used ring's first byte
   */
  record Place(long descriptors, long available, long used, boolean logUsed, long logAddress) {}

  /** Null before it was said. */
  Place at;

  /** SET_VRING_BASE. */
  int base;

  /** SET_VRING_KICK came: the ring may start. The descriptor is null where it is to be polled. */
  boolean kickSet;

  EventFd kick;
  EventFd call;
  EventFd error;

  /** SET_VRING_ENABLE, or no protocol features. */
  boolean enabled;

  /** The device has the ring. */
  boolean running;

  /** Where the descriptor table is on the device's bus while it runs. */
  long placed;

  /** What is in flight, where the front-end wants to know; null else. */
  InflightRegion inflight;

  private final VhostMemory memory;

  /** Where writes go down while they are logged; null else. */
  private DirtyLog log;

  Vring(int index, VhostMemory memory) {
    this.index = index;
    this.memory = memory;
  }

  /** Where to note what is written from now on; null for nowhere. */
  void logTo(DirtyLog to) {
    log = to;
  }

  /** As before the first request. */
  void forget() {
    size = 0;
    at = null;
    base = 0;
    enabled = false;
    running = false;
    inflight = null;
    dropKick();
    call = drop(call);
    error = drop(error);
  }

  /** Empties eventfds that keep the device from going on. */
  void relieve() {
    if (call != null) {
      call.relieve();
    }
    if (error != null) {
      error.relieve();
    }
  }

  void dropKick() {
    kick = drop(kick);
    kickSet = false;
  }

  private static EventFd drop(EventFd fd) {
    if (fd != null) {
      fd.close();
    }
    return null;
  }

  // ---- what the queue tells, per chain

  @Override
  public void taken(int head) {
    if (inflight != null) {
      inflight.taken(head);
    }
  }

  @Override
  public void givenBack(int head) {
    if (inflight != null) {
      inflight.givenBack(head);
    }
  }

  @Override
  public void used(int head) {
    if (inflight != null) {
      inflight.used(head);
    }
  }

  @Override
  public void published(int usedIndex) {
    if (inflight != null) {
      inflight.published(usedIndex);
    }
  }

  @Override
  public void wroteBuffer(long address, int length) {
    if (log != null) {
      markBus(address, length);
    }
  }

  @Override
  public void wroteUsed(long offset, int length) {
    if (log == null || !at.logUsed()) {
      return;
    }
    if (memory.translated()) {
      markBus(at.logAddress() + offset, length);
    } else {
      log.mark(at.logAddress() + offset, length);
    }
  }

  /** Page by page, since a translation may scatter them. */
  private void markBus(long address, int length) {
    if (!memory.translated()) {
      log.mark(address, length);
      return;
    }
    long at = address;
    long end = address + length;
    while (at < end) {
      long next = Math.min(end, (at | 0xfff) + 1);
      long guest = memory.guestAddress(at);
      if (guest >= 0) {
        log.mark(guest, next - at);
      }
      at = next;
    }
  }
}
