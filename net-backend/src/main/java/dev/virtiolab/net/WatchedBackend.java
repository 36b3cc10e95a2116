package dev.virtiolab.net;

import java.lang.foreign.MemorySegment;

/**
 * A back end of which somebody sees what crosses: outbound what the NIC sends, when it is
 * committed; inbound what the NIC takes, when it is released. Frames that were refused or given
 * back did not cross.
 */
abstract class WatchedBackend extends ForwardingBackend {
  private int claimLength;
  private int peekLength;

  WatchedBackend(NetBackend inner) {
    super(inner);
  }

  /**
   * A frame crosses; the device's thread.
   *
   * @param way as {@link PcapngLayout} has it
   */
  abstract void crosses(MemorySegment memory, long offset, int length, int way);

  @Override
  public final boolean claim(int length) {
    boolean granted = inner.claim(length);
    if (granted) {
      claimLength = length;
    }
    return granted;
  }

  @Override
  public final void commit() {
    // Before it is handed over: from then on the memory is the wire's.
    if (claimLength != 0) {
      crosses(inner.claimed(), inner.claimedOffset(), claimLength, PcapngLayout.OUTBOUND);
      claimLength = 0;
    }
    inner.commit();
  }

  @Override
  public final void abort() {
    claimLength = 0;
    inner.abort();
  }

  @Override
  public int peek() {
    peekLength = inner.peek();
    return peekLength;
  }

  @Override
  public final void release() {
    if (peekLength != 0) {
      crosses(inner.peeked(), inner.peekedOffset(), peekLength, PcapngLayout.INBOUND);
      peekLength = 0;
    }
    inner.release();
  }
}
