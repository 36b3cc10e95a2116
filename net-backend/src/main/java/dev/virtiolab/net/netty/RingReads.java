package dev.virtiolab.net.netty;

import dev.virtiolab.net.ring.WireRing;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.ChannelConfig;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.util.UncheckedBooleanSupplier;

/**
 * Has Netty read a socket into a {@link WireRing}, where there is room in one piece, instead of
 * into a buffer of its own. One channel at a time, on its event loop.
 */
final class RingReads implements RecvByteBufAllocator {
  /** Reads before other work of the event loop has its turn. */
  private static final int READS_PER_TURN = 16;

  private final WireRing ring;
  private final ByteBuf bytes;

  /**
   * @param bytes the ring's memory
   */
  RingReads(WireRing ring, ByteBuf bytes) {
    this.ring = ring;
    this.bytes = bytes;
  }

  @Override
  public ExtendedHandle newHandle() {
    return new Handle();
  }

  private final class Handle implements ExtendedHandle {
    private ChannelConfig config;
    private int window;
    private int lastRead;
    private int reads;

    @Override
    public void reset(ChannelConfig config) {
      this.config = config;
      reads = 0;
      lastRead = 0;
    }

    /** The ring's memory, positioned where the next byte goes. */
    @Override
    public ByteBuf allocate(ByteBufAllocator ignored) {
      window = ring.window();
      int at = (int) ring.windowOffset();
      return bytes.setIndex(at, at).retain();
    }

    @Override
    public int guess() {
      return window;
    }

    /** The channel offers to read up to the end of the memory; the consumer may be before that. */
    @Override
    public void attemptedBytesRead(int writable) {
      window = Math.min(window, writable);
    }

    @Override
    public int attemptedBytesRead() {
      return window;
    }

    @Override
    public void incMessagesRead(int count) {
      reads += count;
    }

    @Override
    public void lastBytesRead(int count) {
      lastRead = count;
    }

    @Override
    public int lastBytesRead() {
      return lastRead;
    }

    /**
     * Whether the socket filled the window, so that there may be more, and there is room for it.
     */
    @Override
    public boolean continueReading() {
      return config.isAutoRead()
          && lastRead > 0
          && lastRead == window
          && reads < READS_PER_TURN
          && ring.window() > 0;
    }

    @Override
    public boolean continueReading(UncheckedBooleanSupplier maybeMoreData) {
      return continueReading();
    }

    @Override
    public void readComplete() {}
  }
}
