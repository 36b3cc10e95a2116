package dev.virtiolab.net;

import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;

/**
 * One end of a wire, seen from a NIC. Frames are whole Ethernet frames without preamble and
 * checksum.
 *
 * <p>Both directions lend memory instead of taking it, so that a frame is copied once between guest
 * memory and the wire, and nothing is allocated per frame:
 *
 * <ul>
 *   <li>towards the wire: {@link #claim}, write the frame, {@link #commit} or {@link #abort}; after
 *       a batch, {@link #flush};
 *   <li>from the wire: {@link #peek}, read the frame, {@link #release}.
 * </ul>
 *
 * <p>Back-pressure is a return value. A claim that is refused is tried again when the back end is
 * {@linkplain #onReady ready}; nothing is dropped on that account.
 */
public interface NetBackend extends AutoCloseable {

  /**
   * A frame that holds the largest IPv4 packet, 65535 bytes behind a header of 14, rounded up: what
   * a back end takes unless it is told otherwise.
   */
  int LARGEST_FRAME = 65_552;

  /** The largest frame that can be claimed, in bytes; larger ones are dropped by the NIC. */
  int maxFrameLength();

  /**
   * Claims room for a frame towards the wire. At most one claim is open at a time.
   *
   * @param length bytes, from 1 to {@link #maxFrameLength()}
   * @return whether there is room; if so {@link #claimed()} and {@link #claimedOffset()} say where
   */
  boolean claim(int length);

  /** Memory of the open claim. */
  MemorySegment claimed();

  /** Where in {@link #claimed()} the frame begins. */
  long claimedOffset();

  /**
   * Kinds of work on a frame that the wire does itself: bits of {@link Offload}. Looked at before
   * the device starts, and the same for as long as the wire is open.
   */
  default int offloads() {
    return 0;
  }

  /**
   * Says what is left to do with the claimed frame, before it is committed; without this call it is
   * nothing.
   *
   * @param work an {@link Offload}, of the kinds in {@link #offloads()}, whose fields fit the frame
   * @param tunnel an {@link Offload#tunnel} that fits it, too, where the type speaks of one
   */
  default void claimedOffload(long work, int tunnel) {
    throw new UnsupportedOperationException("this wire does no work on frames");
  }

  /** The claimed frame is complete. It may reach the wire at once, or with {@link #flush()}. */
  void commit();

  /** Gives the claim back; no frame is sent. */
  void abort();

  /** Hands every committed frame to the wire: called once after each batch. */
  void flush();

  /**
   * Looks at the next frame from the wire without consuming it.
   *
   * @return its length in bytes, or 0 if there is none now
   */
  int peek();

  /** Memory of the frame that {@link #peek()} found; valid until {@link #release()}. */
  MemorySegment peeked();

  /** Where in {@link #peeked()} the frame begins. */
  long peekedOffset();

  /** An {@link Offload}: what is left to do with the frame that {@link #peek()} found. */
  default long peekedOffload() {
    return Offload.NONE;
  }

  /** Beside a {@link #peekedOffload()} that speaks of a tunnel: where it is. */
  default int peekedTunnel() {
    return 0;
  }

  /**
   * Says what may be left to do with frames from the wire from now on; nothing at first. Frames
   * that are on their way may still be as they were.
   *
   * @param kinds bits of {@link Offload}
   */
  default void accept(int kinds) {}

  /**
   * Lets one of several queues of an interface take part in what arrives, or leaves it out: it then
   * has no frames, and those that wait in it are lost. Of several queues the first takes part at
   * first, alone. A wire that is not one of several always does.
   */
  default void attach(boolean on) {}

  /** Consumes the frame that {@link #peek()} found. */
  void release();

  /**
   * A descriptor that becomes readable when {@link #peek()} would find a frame, for poll(2); -1 if
   * there is none, and {@link #onReady} is the only word.
   */
  int readableFd();

  /**
   * Sets what to run when a frame has arrived or room has appeared after a refused claim. It is run
   * on whatever thread notices, and must be quick and not block. A back end that has a {@link
   * #readableFd()} need not call it for arriving frames.
   */
  void onReady(Runnable wake);

  /** Whether the wire is connected: the NIC's link status. */
  boolean linkUp();

  /**
   * The largest IP packet that crosses in one piece, in bytes, where the wire knows one smaller
   * than Ethernet's 1500: a NIC that nobody gave an MTU offers this one. Looked at before the
   * device starts, and the same for as long as the wire is open.
   */
  default OptionalInt mtu() {
    return OptionalInt.empty();
  }

  /** What crossed and what did not; readable from any thread. */
  BackendCounters counters();

  /** Lets go of everything; a second call does nothing. */
  @Override
  void close();
}
