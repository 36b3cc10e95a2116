package dev.virtiolab.lab.ebs;

import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import java.lang.foreign.MemorySegment;

/**
 * What a card on trial is plugged into: it takes frames or not, as it is told, and has a frame for
 * the card when it is told. What is not taken of a frame's offer is gone.
 */
final class Wire implements NetBackend {
  private static final int MAX_FRAME_BYTES = 1514;

  private final MemorySegment outgoing = MemorySegment.ofArray(new byte[MAX_FRAME_BYTES]);
  private final BackendCounters counters = new BackendCounters();
  private MemorySegment offered = MemorySegment.NULL;
  private boolean jammed;
  private int sent;

  /** Whether it refuses frames, so that what the driver sends stays in flight. */
  void jam(boolean on) {
    jammed = on;
  }

  /** Has a frame for the card. */
  void offer(byte[] frame) {
    offered = MemorySegment.ofArray(frame);
  }

  /** Takes the offer back; returns whether the card had taken it. */
  boolean withdraw() {
    boolean taken = offered.byteSize() == 0;
    offered = MemorySegment.NULL;
    return taken;
  }

  /** Frames that the card has sent. */
  int sent() {
    return sent;
  }

  @Override
  public int maxFrameLength() {
    return MAX_FRAME_BYTES;
  }

  @Override
  public boolean claim(int length) {
    return !jammed;
  }

  @Override
  public MemorySegment claimed() {
    return outgoing;
  }

  @Override
  public long claimedOffset() {
    return 0;
  }

  @Override
  public void commit() {
    sent++;
  }

  @Override
  public void abort() {}

  @Override
  public void flush() {}

  @Override
  public int peek() {
    return (int) offered.byteSize();
  }

  @Override
  public MemorySegment peeked() {
    return offered;
  }

  @Override
  public long peekedOffset() {
    return 0;
  }

  @Override
  public void release() {
    offered = MemorySegment.NULL;
  }

  @Override
  public int readableFd() {
    return -1;
  }

  @Override
  public void onReady(Runnable wake) {
    // Nobody waits: the device is polled.
  }

  @Override
  public boolean linkUp() {
    return true;
  }

  @Override
  public BackendCounters counters() {
    return counters;
  }

  @Override
  public void close() {}
}
