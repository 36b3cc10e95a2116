package dev.virtiolab.net;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * A back end in front of another, which it passes every call on to: what stands between a NIC and
 * its wire begins here, and overrides what it is about.
 *
 * <p>Work on frames is not passed on: what looks at frames, loses or bends them sees each as it is
 * on a wire, and the NIC completes it before.
 */
public abstract class ForwardingBackend implements NetBackend {
  /** The wire behind this one. */
  protected final NetBackend inner;

  /**
   * @param inner nobody else's from now on, and closed with this back end
   */
  protected ForwardingBackend(NetBackend inner) {
    this.inner = Objects.requireNonNull(inner);
  }

  @Override
  public int maxFrameLength() {
    return inner.maxFrameLength();
  }

  @Override
  public boolean claim(int length) {
    return inner.claim(length);
  }

  @Override
  public MemorySegment claimed() {
    return inner.claimed();
  }

  @Override
  public long claimedOffset() {
    return inner.claimedOffset();
  }

  @Override
  public void commit() {
    inner.commit();
  }

  @Override
  public void abort() {
    inner.abort();
  }

  @Override
  public void flush() {
    inner.flush();
  }

  @Override
  public int peek() {
    return inner.peek();
  }

  @Override
  public MemorySegment peeked() {
    return inner.peeked();
  }

  @Override
  public long peekedOffset() {
    return inner.peekedOffset();
  }

  @Override
  public void attach(boolean on) {
    inner.attach(on);
  }

  @Override
  public void release() {
    inner.release();
  }

  @Override
  public int readableFd() {
    return inner.readableFd();
  }

  @Override
  public void onReady(Runnable wake) {
    inner.onReady(wake);
  }

  @Override
  public boolean linkUp() {
    return inner.linkUp();
  }

  @Override
  public OptionalInt mtu() {
    return inner.mtu();
  }

  @Override
  public BackendCounters counters() {
    return inner.counters();
  }

  @Override
  public void close() {
    inner.close();
  }
}
