package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.Uninterruptibly;
import dev.virtiolab.posix.UnixListener;
import dev.virtiolab.posix.UnixStream;
import dev.virtiolab.virtio.transport.VirtioDevice;
import java.util.concurrent.TimeUnit;

/**
 * Hands a device to one front-end after another, at a unix socket: as the server at which they come
 * by, or as the client of one that listens.
 *
 * <p>A thread of its own reads the messages. Frames move on whatever thread drives the device;
 * whoever starts that does so after this is made, which plugs the device in, and ends it between
 * {@link #stop} and {@link #close}.
 */
public final class VhostUserServer implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(VhostUserServer.class.getName());

  /** How long a client waits before it tries to connect again. */
  private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  private final String path;
  private final UnixListener listener;
  private final VhostUserTransport transport;
  private final VhostUserOptions options;
  private final VhostUserCounters counters = new VhostUserCounters();
  private final EventFd stop = EventFd.create();
  private final Thread thread;
  private volatile boolean stopping;
  private boolean closed;
  private volatile Throwable failure;

  private VhostUserServer(
      VirtioDevice device, VhostUserOptions options, String path, UnixListener listener) {
    this.path = path;
    this.listener = listener;
    this.options = options;
    transport = new VhostUserTransport(device, 2 * options.queuePairs());
    thread = Thread.ofPlatform().name("vhost-user").daemon().unstarted(this::run);
  }

  /**
   * Listens at {@code path}; {@link #start} begins to serve.
   *
   * @param device plugged in here
   * @throws IllegalArgumentException if the path is empty or too long
   * @throws PosixException if somebody listens there, or something else is in the way
   */
  public static VhostUserServer listen(VirtioDevice device, VhostUserOptions options, String path) {
    UnixListener listener = UnixListener.listen(path);
    try {
      return new VhostUserServer(device, options, path, listener);
    } catch (RuntimeException e) {
      listener.close();
      throw e;
    }
  }

  /**
   * Connects to who listens at {@code path}, once {@link #start} is called, and again and again
   * whenever it is gone.
   */
  public static VhostUserServer connect(
      VirtioDevice device, VhostUserOptions options, String path) {
    return new VhostUserServer(device, options, path, null);
  }

  /** Begins to serve. */
  public void start() {
    thread.start();
  }

  /** What front-ends did. */
  public VhostUserCounters counters() {
    return counters;
  }

  /** Whether it serves: false once it is closed, or its thread died of a bug. */
  public boolean running() {
    return thread.isAlive();
  }

  private void run() {
    try {
      while (!stopping) {
        UnixStream next = listener == null ? dial() : await();
        if (next != null) {
          counters.frontEndCame();
          LOG.log(System.Logger.Level.DEBUG, "vhost-user: a front-end at {0}", path);
          new Session(next, transport, options, counters)
              .run(stop, listener == null ? -1 : listener.fd(), this::turnAway);
          LOG.log(System.Logger.Level.DEBUG, "vhost-user: the front-end is gone");
        }
      }
    } catch (Throwable e) {
      failure = e;
      LOG.log(System.Logger.Level.ERROR, "vhost-user: the server died", e);
    }
  }

  /** The next that comes by; null if the server stops, or it was gone at once. */
  private UnixStream await() {
    try (Poll poll = new Poll(2)) {
      int atListener = poll.add(listener.fd());
      poll.add(stop.fd());
      poll.await(Poll.FOREVER);
      return poll.readable(atListener) ? listener.accept() : null;
    }
  }

  /** Connects; null if nobody listens yet. */
  private UnixStream dial() {
    try {
      return UnixStream.connect(path);
    } catch (PosixException e) {
      try (Poll poll = new Poll(1)) {
        poll.add(stop.fd());
        poll.await(RETRY_NANOS);
      }
      return null;
    }
  }

  /** Somebody comes while another is served: it learns so by the end of its connection. */
  private void turnAway() {
    UnixStream other = listener.accept();
    if (other != null) {
      other.close();
      counters.frontEndTurnedAway();
      LOG.log(
          System.Logger.Level.WARNING,
          "vhost-user: a front-end is turned away: another one has the device");
    }
  }

  /**
   * Lets the front-end go and serves nobody else. After that the device waits for no front-end any
   * more, and its thread can be ended. A second call does nothing.
   */
  public void stop() {
    if (!stopping) {
      stopping = true;
      stop.signal();
      Uninterruptibly.join(thread);
    }
  }

  /**
   * Stops and lets go of all there is; a second call does nothing.
   *
   * @throws IllegalStateException if it had died before of a bug
   */
  @Override
  public void close() {
    stop();
    if (closed) {
      return;
    }
    closed = true;
    if (listener != null) {
      listener.close();
    }
    stop.close();
    transport.close();
    if (failure != null) {
      throw new IllegalStateException("the vhost-user server died", failure);
    }
  }
}
