package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.posix.Poll;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * The program that the guest runs for {@code vlab iperf}: it carries frames between its network
 * card and a second wire. Of the card it knows what any UEFI program knows, the Simple Network
 * Protocol.
 *
 * <pre>
 *   card --- receive() --> page --- claim, commit --> wire
 *   card <-- transmit() --- pages <-- peek, release --- wire
 *            getStatus(): pages that are free again
 * </pre>
 *
 * <p>Neither side is taken from faster than the other takes: a frame from the card waits in its
 * page until the wire has room, and a frame of the wire is not consumed before the card has its
 * copy. What cannot be carried at all is dropped and counted.
 *
 * <p>{@link #run} is the guest's thread, {@link #stop} any.
 */
final class Relay {
  /** Frames one way before the other way is looked at. */
  private static final int BATCH = 64;

  /** Frames that the card may hold at a time: as many as VirtioNetDxe takes. */
  private static final int TRANSMIT_FRAMES = 64;

  private static final int PAGE_BYTES = 4096;
  private static final int TYPE_OFFSET = 12;

  // IEEE 802.1Q: by a tag a frame may be longer than the card's largest.
  private static final int VLAN_TAG_BYTES = 4;
  private static final int TYPE_VLAN = 0x8100;
  private static final int TYPE_SERVICE_VLAN = 0x88a8;

  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final int FILTERS =
      SimpleNetwork.RECEIVE_UNICAST
          | SimpleNetwork.RECEIVE_BROADCAST
          | SimpleNetwork.RECEIVE_PROMISCUOUS_MULTICAST;

  /** How long a wait is at first; frames gather meanwhile, which makes the next batch cheaper. */
  private static final long FIRST_WAIT_NANOS = 20_000;

  /** How long it becomes at most, while nothing comes. */
  private static final long LONGEST_WAIT_NANOS = 1_000_000;

  /** How long the card may take to transmit what it still has at the end. */
  private static final long DRAIN_NANOS = 200_000_000;

  /**
   * What was carried.
   *
   * @param toWire frames from the card to the wire
   * @param fromWire frames from the wire to the card
   * @param dropped frames that the card did not take, being longer than it can send
   */
  record Counts(long toWire, long fromWire, long dropped) {}

  private final CpuMemory memory;
  private final NetBackend wire;

  private final LongRef length = new LongRef();
  private final LongRef transmitted = new LongRef();

  /** Pages that the card has not got: a stack, so that the warmest goes first. */
  private final long[] free = new long[TRANSMIT_FRAMES];

  private SimpleNetwork card;
  private int freeCount;
  private long receivePage;

  /** Bytes from one frame's room to the next: half a page, or whole pages. */
  private int frameRoom;

  /** Of frames without a VLAN tag. */
  private int longestFrame;

  /** Bytes of the frame in {@link #receivePage} that the wire had no room for yet, or 0. */
  private int held;

  /** Whether a frame of the wire waits for a page. */
  private boolean cardIsFull;

  private long toWire;
  private long fromWire;
  private long dropped;

  private volatile boolean stopping;

  /**
   * @param memory as the guest's CPU sees it
   * @param wire the second one
   */
  Relay(CpuMemory memory, NetBackend wire) {
    this.memory = memory;
    this.wire = wire;
  }

  /** Ends {@link #run} soon. Any thread. */
  void stop() {
    stopping = true;
  }

  /**
   * Takes the card over from the firmware's own network stack, and carries until {@link #stop} or
   * until the wire is gone. The card stays up: what it has mapped can be looked at.
   *
   * @throws LabException if the card fails
   */
  Counts run(Firmware firmware) {
    firmware.stack().close();
    card = firmware.network();
    open(firmware);
    try (Poll poll = new Poll(1)) {
      poll.add(wire.readableFd());
      carry(poll);
    }
    drain();
    return new Counts(toWire, fromWire, dropped);
  }

  private void open(Firmware firmware) {
    require("Start", card.start());
    require("Initialize", card.initialize(0, 0));
    require("ReceiveFilters", card.receiveFilters(FILTERS, 0, false, List.of()));
    SimpleNetworkMode mode = card.mode();
    longestFrame = mode.mediaHeaderSize + mode.maxPacketSize;
    frameRoom = roomFor(longestFrame + VLAN_TAG_BYTES);
    long bytes = (TRANSMIT_FRAMES + 1L) * frameRoom;
    LongRef pages = new LongRef();
    require(
        "AllocatePages",
        firmware
            .bootServices()
            .allocatePages(
                AllocateType.ANY_PAGES,
                MemoryType.BOOT_SERVICES_DATA,
                (bytes + PAGE_BYTES - 1) / PAGE_BYTES,
                pages));
    for (int i = 0; i < TRANSMIT_FRAMES; i++) {
      free[freeCount++] = pages.value + (long) i * frameRoom;
    }
    receivePage = pages.value + (long) TRANSMIT_FRAMES * frameRoom;
  }

  /** Two frames of Ethernet's size share a page of 4 KiB; a larger one has pages of its own. */
  private static int roomFor(int frameBytes) {
    int half = PAGE_BYTES / 2;
    return frameBytes <= half ? half : (frameBytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  }

  /** Whether the card cannot send the frame that the wire shows. */
  private boolean isTooLong(int bytes) {
    if (bytes <= longestFrame) {
      return false;
    }
    int type = wire.peeked().get(BE16, wire.peekedOffset() + TYPE_OFFSET) & 0xffff;
    boolean tagged = type == TYPE_VLAN || type == TYPE_SERVICE_VLAN;
    return bytes > longestFrame + (tagged ? VLAN_TAG_BYTES : 0);
  }

  private static void require(String call, EfiStatus status) {
    if (status.isError()) {
      throw LabException.failure("the guest's network card fails: " + call + ": " + status);
    }
  }

  private void carry(Poll poll) {
    long wait = FIRST_WAIT_NANOS;
    while (!stopping && wire.linkUp()) {
      if (carryToWire() + carryFromWire() > 0) {
        wait = FIRST_WAIT_NANOS;
      } else {
        // At once: a spin would take the processor from whoever is to make the next frame.
        await(poll, wait);
        wait = Math.min(2 * wait, LONGEST_WAIT_NANOS);
      }
    }
  }

  /**
   * Waits for a frame of the wire, but not long: the driver asks the card for no interrupts, as
   * every UEFI driver, so the card has to be looked at.
   */
  private void await(Poll poll, long nanos) {
    if (cardIsFull || held != 0) {
      LockSupport.parkNanos(this, nanos);
    } else {
      poll.await(nanos);
    }
  }

  private int carryToWire() {
    int carried = 0;
    while (carried < BATCH && (held != 0 || receive()) && wire.claim(held)) {
      memory.read(receivePage, wire.claimed(), wire.claimedOffset(), held);
      wire.commit();
      held = 0;
      carried++;
    }
    if (carried > 0) {
      wire.flush();
      toWire += carried;
    }
    return carried;
  }

  /** Fetches the next frame of the card, if there is one. */
  private boolean receive() {
    length.value = frameRoom;
    EfiStatus status = card.receive(null, length, receivePage, null, null, null);
    if (status == EfiStatus.NOT_READY) {
      return false;
    }
    require("Receive", status);
    held = (int) length.value;
    return true;
  }

  private int carryFromWire() {
    int carried = 0;
    while (carried < BATCH) {
      int bytes = wire.peek();
      if (bytes == 0) {
        break;
      }
      if (isTooLong(bytes)) {
        dropped++;
        wire.release();
        continue;
      }
      cardIsFull = freeCount == 0 && !reclaim();
      if (cardIsFull) {
        break;
      }
      long page = free[freeCount - 1];
      memory.write(page, wire.peeked(), wire.peekedOffset(), bytes);
      EfiStatus status = card.transmit(0, bytes, page, null, null, null);
      if (status == EfiStatus.NOT_READY) {
        cardIsFull = !reclaim();
        break;
      }
      require("Transmit", status);
      freeCount--;
      wire.release();
      carried++;
    }
    fromWire += carried;
    return carried;
  }

  /**
   * Takes back what the card has transmitted: as much as there is, but at least one look.
   *
   * @return whether there was any
   */
  private boolean reclaim() {
    int before = freeCount;
    while (freeCount < TRANSMIT_FRAMES) {
      require("GetStatus", card.getStatus(null, transmitted));
      if (transmitted.value == 0) {
        break;
      }
      free[freeCount++] = transmitted.value;
    }
    return freeCount > before;
  }

  /** Lets the card transmit what it was given. */
  private void drain() {
    long start = System.nanoTime();
    while (freeCount < TRANSMIT_FRAMES && System.nanoTime() - start < DRAIN_NANOS) {
      if (!reclaim()) {
        LockSupport.parkNanos(this, FIRST_WAIT_NANOS);
      }
    }
  }
}
