package dev.virtiolab.pci.vfiouser;

import static dev.virtiolab.pci.vfiouser.VfioUserLayout.HEADER_BYTES;

import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.posix.Errno;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Memory of a client that came without a descriptor: every access to it is a message, there and
 * back ("Read and Write Operations").
 *
 * <pre>
 *   device's thread, with the function's lock          server's thread
 *   read  ── DMA_READ ──► client
 *         ◄─────────────── the reply's data ─────────── replied
 *   write ── DMA_WRITE ─► client       (goes on)
 *                                       the reply ───── replied
 * </pre>
 *
 * <p><b>Order.</b> Messages are carried out in the order in which they are sent. So what is
 * published last arrives last, and a read comes back when everything that was written before it is
 * in place: after that the driver may be interrupted, whose interrupt would else overtake it.
 *
 * <p><b>Nobody waits in a circle.</b> A client may have to be answered before it answers: QEMU
 * serves these requests with the lock that a CPU holds which waits for a register. So a read is put
 * off ({@link DmaFault#RETRY}) as soon as another thread waits for the function's lock, which the
 * reader's caller lets go of then; its reply is not looked at when it comes.
 *
 * <p><b>Two ways to count.</b> By the protocol's text the count has 64 bits and the data follows.
 * QEMU (11.1, hw/vfio-user/protocol.h) has 32 bits there, and the data 4 bytes before the end of
 * the structure. Which it is is found out once for each client, by a read of 2^32 bytes: to who
 * counts by 32 bits that is none, and it is done; to any other it is more than was agreed on, and
 * refused.
 */
final class DmaMessages implements DmaWindow.Carrier {
  /** How long a read waits before it looks whether somebody else waits for the lock. */
  private static final long LOOK_NANOS = 50_000;

  private static final int MAX_ID = 0xffff;

  /** How a client lays its structure out. */
  private enum Count {
    UNKNOWN(0),
    LONG(VfioUserLayout.DMA_DATA),
    SHORT(VfioUserLayout.DMA_DATA_SHORT_COUNT);

    final int dataAt;

    Count(int dataAt) {
      this.dataAt = dataAt;
    }
  }

  /** What has become of the read that is under way. */
  private enum Answer {
    NONE,
    DATA,
    REFUSED,
    PUT_OFF
  }

  private VfioUserCounters counters = new VfioUserCounters();
  private ReentrantLock lock = new ReentrantLock();

  /** Who asks holds its monitor, until it has its answer. */
  private final Message request = new Message(VfioUserLayout.DMA_BYTES + DmaWindow.STAGING_BYTES);

  private int nextId;

  // What follows changes with this object's monitor held.

  /** The client's, or the last one's, which takes nothing any more; a mapping is by a client. */
  private Outlet outlet;

  private int maxBytes;
  private Count count = Count.UNKNOWN;

  /** Writes whose reply has not come. */
  private long writesUnanswered;

  /** Reads whose reply nobody waits for. */
  private long readsPutOff;

  /** The read that is under way: its number, or -1; who waits; where its data goes. */
  private int reading = -1;

  private Thread reader;
  private MemorySegment target;
  private long readAddress;
  private int readBytes;

  private volatile Answer answer = Answer.NONE;

  /**
   * Once, before there is a client.
   *
   * @param functionLock whose waiting puts a read off
   */
  void connect(ReentrantLock functionLock, VfioUserCounters into) {
    lock = functionLock;
    counters = into;
  }

  // ---- the server's thread

  /** A client is there; its {@link #limit} comes with its version. */
  synchronized void attach(Outlet to) {
    outlet = to;
    count = Count.UNKNOWN;
    writesUnanswered = 0;
    readsPutOff = 0;
  }

  /** The client takes no more than {@code bytes} in one message. */
  synchronized void limit(int bytes) {
    maxBytes = Math.min(bytes, DmaWindow.STAGING_BYTES);
  }

  private void answer(Answer with) {
    reading = -1;
    answer = with;
    LockSupport.unpark(reader);
  }

  /**
   * A reply has come.
   *
   * @return false if nothing like it was asked
   */
  synchronized boolean replied(Message reply) {
    if (reply.command() == VfioUserLayout.DMA_WRITE && writesUnanswered > 0) {
      writesUnanswered--;
      if (reply.isError()) {
        refused("a DMA write", reply.error());
      }
      return true;
    }
    if (reply.command() != VfioUserLayout.DMA_READ) {
      return false;
    }
    if (reply.id() == reading) {
      boolean good = !reply.isError() && take(reply);
      if (!good && count != Count.UNKNOWN) {
        refused("a DMA read at 0x" + Long.toHexString(readAddress), reply.error());
      }
      answer(good ? Answer.DATA : Answer.REFUSED);
      return true;
    }
    if (readsPutOff == 0) {
      return false;
    }
    readsPutOff--;
    return true;
  }

  /** Takes the data of a reply that is as it was asked for. */
  private boolean take(Message reply) {
    if (reply.payloadBytes() < VfioUserLayout.DMA_BYTES + readBytes
        || reply.u64(VfioUserLayout.DMA_ADDRESS) != readAddress) {
      return false;
    }
    if (readBytes > 0) {
      MemorySegment.copy(reply.bytes(), HEADER_BYTES + count.dataAt, target, 0, readBytes);
    }
    return true;
  }

  private void refused(String what, int errno) {
    if (counters.dmaRefused.getAndIncrement() == 0) {
      VfioUserServer.LOG.log(
          System.Logger.Level.WARNING,
          "vfio-user: {0} was not answered as asked: {1}; later ones are counted only",
          what,
          errno == 0 ? "no error, and not the data" : Errno.text(errno));
    }
  }

  // ---- the device's thread

  /**
   * Fetches what lies at {@code address} into a window.
   *
   * @param length 1 to {@link DmaWindow#STAGING_BYTES}; less is fetched where the client gives less
   *     at a time
   * @return whether it was; if not, the window says why
   */
  boolean read(long address, int length, DmaWindow window) {
    synchronized (request) {
      DmaFault met = findOutCount(address);
      int bytes = Math.min(length, maxBytes());
      if (met == DmaFault.NONE) {
        counters.dmaReads.incrementAndGet();
        met = fetch(address, bytes, bytes, window.staging());
      }
      return met == DmaFault.NONE ? window.staged(address, bytes, this) : window.faulted(met);
    }
  }

  /** Fills a window for bytes that are to be stored; nothing is asked for that. */
  boolean lend(long address, int length, DmaWindow window) {
    synchronized (request) {
      DmaFault met = findOutCount(address);
      return met == DmaFault.NONE
          ? window.staged(address, Math.min(length, maxBytes()), this)
          : window.faulted(met);
    }
  }

  private synchronized int maxBytes() {
    return maxBytes;
  }

  private synchronized Count count() {
    return count;
  }

  private DmaFault findOutCount(long address) {
    if (count() != Count.UNKNOWN) {
      return DmaFault.NONE;
    }
    DmaFault met = fetch(address, 0, 1L << Integer.SIZE, null);
    if (met == DmaFault.RETRY) {
      return met;
    }
    synchronized (this) {
      count = met == DmaFault.NONE ? Count.SHORT : Count.LONG;
    }
    return DmaFault.NONE;
  }

  /** Asks for {@code asked} bytes, of which {@code bytes} come. */
  private DmaFault fetch(long address, int bytes, long asked, MemorySegment to) {
    fill(VfioUserLayout.DMA_READ, address, asked);
    Outlet through;
    synchronized (this) {
      through = outlet;
      reader = Thread.currentThread();
      target = to;
      readAddress = address;
      readBytes = bytes;
      reading = request.id();
      answer = Answer.NONE;
    }
    if (!through.send(request.bytes(), HEADER_BYTES + VfioUserLayout.DMA_BYTES)) {
      giveUp();
      return DmaFault.RETRY; // the client is gone, or will be
    }
    while (answer == Answer.NONE) {
      if (lock.hasQueuedThreads()) {
        giveUp();
      } else {
        LockSupport.parkNanos(this, LOOK_NANOS);
      }
    }
    return switch (answer) {
      case DATA -> DmaFault.NONE;
      case REFUSED -> DmaFault.NO_MEMORY;
      case NONE, PUT_OFF -> DmaFault.RETRY;
    };
  }

  /** Waits for the read no more, unless it has been answered. */
  private synchronized void giveUp() {
    if (answer == Answer.NONE) {
      readsPutOff++;
      answer(Answer.PUT_OFF);
    }
  }

  @Override
  public void carry(long address, MemorySegment from, long offset, long bytes) {
    synchronized (request) {
      fill(VfioUserLayout.DMA_WRITE, address, bytes);
      Outlet through;
      synchronized (this) {
        through = outlet;
        MemorySegment.copy(from, offset, request.bytes(), HEADER_BYTES + count.dataAt, bytes);
        writesUnanswered++;
      }
      counters.dmaWrites.incrementAndGet();
      // Where it cannot be sent the client is gone, or will be.
      through.send(request.bytes(), HEADER_BYTES + VfioUserLayout.DMA_BYTES + (int) bytes);
    }
  }

  /** Makes the next request, but for the data of a write. */
  private void fill(int command, long address, long bytes) {
    int data = command == VfioUserLayout.DMA_WRITE ? (int) bytes : 0;
    request.command(nextId, command, VfioUserLayout.DMA_BYTES + data);
    nextId = nextId + 1 & MAX_ID;
    request.u64(VfioUserLayout.DMA_ADDRESS, address);
    request.u64(VfioUserLayout.DMA_COUNT, bytes);
    if (data > 0) {
      request.u32(VfioUserLayout.DMA_BYTES + data - Integer.BYTES, 0); // padding, with short counts
    }
  }
}
