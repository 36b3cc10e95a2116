package dev.virtiolab.pci.vfiouser;

import dev.virtiolab.pci.function.PciFunction;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.PassedFds;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.Uninterruptibly;
import dev.virtiolab.posix.UnixListener;
import dev.virtiolab.posix.UnixStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Hands one PCI function to one client at a time, over a unix socket; clients come and go.
 *
 * <p>It has a thread of its own, on which every message is handled in the order of its arrival.
 */
public final class VfioUserServer implements AutoCloseable {
  static final System.Logger LOG = System.getLogger(VfioUserServer.class.getName());

  /** Clients that wait to be told that there is one already; further ones are told nothing. */
  private static final int MAX_TURNED_AWAY = 8;

  /** Clients whose end is worth a line: who comes again and again need not fill the log. */
  private static final int MAX_TROUBLES_LOGGED = 10;

  /**
   * How long clients are waited for.
   *
   * @param versionNanos how long one may be there without having agreed on a version: it keeps
   *     others out
   * @param readNanos how long one may leave its replies unread
   */
  record Patience(long versionNanos, long readNanos) {}

  private static final Patience PATIENCE =
      new Patience(TimeUnit.SECONDS.toNanos(5), TimeUnit.SECONDS.toNanos(5));

  private final UnixListener listener;
  private final Patience patience;
  private final Commands commands;
  private final ClientInterrupts interrupts;
  private final DmaMessages dma;
  private final VfioUserCounters counters = new VfioUserCounters();
  private final EventFd stop = EventFd.create();
  private final Message message = new Message();
  private final List<Connection> turnedAway = new ArrayList<>();
  private final Thread thread;

  private final Connection.Handler fromClient =
      new Connection.Handler() {
        @Override
        public int handle(Message command, PassedFds fds) throws Refusal {
          return VfioUserServer.this.handle(command, fds);
        }

        @Override
        public boolean replied(Message reply) {
          return dma.replied(reply);
        }
      };

  private Connection client;
  private boolean versionAgreed;
  private long clientSince;
  private int troubles;
  private volatile boolean stopping;
  private volatile boolean occupied;
  private volatile Throwable failure;

  private VfioUserServer(
      UnixListener listener,
      PciFunction function,
      ClientMemory memory,
      ClientInterrupts interrupts,
      Patience patience) {
    this.listener = listener;
    this.patience = patience;
    commands = new Commands(function, memory, interrupts);
    this.interrupts = interrupts;
    dma = memory.messages();
    dma.connect(function.lock(), counters);
    thread = Thread.ofPlatform().name("vfio-user").daemon().unstarted(this::run);
  }

  /**
   * Serves {@code function} from now on.
   *
   * @param listener closed with what is returned
   * @param function which sees {@code memory} as its bus and interrupts through {@code interrupts}
   */
  public static VfioUserServer start(
      UnixListener listener,
      PciFunction function,
      ClientMemory memory,
      ClientInterrupts interrupts) {
    return start(listener, function, memory, interrupts, PATIENCE);
  }

  /** Likewise, with other patience. */
  static VfioUserServer start(
      UnixListener listener,
      PciFunction function,
      ClientMemory memory,
      ClientInterrupts interrupts,
      Patience patience) {
    Negotiation.warmUp();
    VfioUserServer server = new VfioUserServer(listener, function, memory, interrupts, patience);
    server.thread.start();
    return server;
  }

  /** What it has seen; any thread. */
  public VfioUserCounters counters() {
    return counters;
  }

  /** Whether a client has the function; any thread. */
  public boolean occupied() {
    return occupied;
  }

  /** Whether it serves: false once it was closed, or died of a bug. */
  public boolean running() {
    return thread.isAlive();
  }

  /**
   * Lets the client go and stops; a second call does nothing.
   *
   * @throws IllegalStateException if the server had died before of a bug
   */
  @Override
  public void close() {
    if (stopping) {
      return;
    }
    stopping = true;
    stop.signal();
    Uninterruptibly.join(thread);
    stop.close();
    listener.close();
    if (failure != null) {
      throw new IllegalStateException("the vfio-user server died", failure);
    }
  }

  // ---- the thread

  private void run() {
    try {
      while (!stopping) {
        awaitAndServe();
      }
    } catch (Throwable e) {
      failure = e;
      LOG.log(System.Logger.Level.ERROR, "the vfio-user server died", e);
    } finally {
      turnedAway.forEach(Connection::close);
      if (client != null) {
        release();
      }
    }
  }

  /** One set of sockets, for as long as it stays the same. */
  private void awaitAndServe() {
    List<Connection> waiting = List.copyOf(turnedAway);
    int unmaskFd = interrupts.unmaskFd();
    try (Poll poll = new Poll(4 + waiting.size())) {
      poll.add(stop.fd());
      int listening = poll.add(listener.fd());
      int own = poll.add(client == null ? -1 : client.fd());
      int unmask = poll.add(unmaskFd);
      int firstWaiting = unmask + 1;
      waiting.forEach(each -> poll.add(each.fd()));
      Connection served = client;
      boolean same = true;
      while (same && !stopping) {
        poll.await(untilVersionIsDue());
        if (poll.readable(own) || poll.failed(own)) {
          serveClient();
        }
        if (poll.readable(unmask)) {
          commands.unmaskPin();
        }
        if (untilVersionIsDue() == 0) {
          letGo("has agreed on no version in time");
        }
        for (int i = 0; i < waiting.size(); i++) {
          if (poll.readable(firstWaiting + i) || poll.failed(firstWaiting + i)) {
            turnAway(waiting.get(i));
          }
        }
        if (poll.readable(listening)) {
          accept();
        }
        same = client == served && turnedAway.equals(waiting) && interrupts.unmaskFd() == unmaskFd;
      }
    }
  }

  /** Time that the client has left to agree on a version, in nanoseconds. */
  private long untilVersionIsDue() {
    return client == null || versionAgreed
        ? Poll.FOREVER
        : Math.max(0, patience.versionNanos() - (System.nanoTime() - clientSince));
  }

  private void accept() {
    UnixStream stream = listener.accept();
    if (stream == null) {
      return;
    }
    if (client == null) {
      client = new Connection(stream, message, counters, patience.readNanos());
      dma.attach(client.outlet());
      versionAgreed = false;
      clientSince = System.nanoTime();
      occupied = true;
      counters.clients.incrementAndGet();
      return;
    }
    counters.turnedAway.incrementAndGet();
    if (turnedAway.size() < MAX_TURNED_AWAY) {
      turnedAway.add(new Connection(stream, new Message(), counters, 0));
    } else {
      stream.close();
    }
  }

  /** Answers the first message of a client for which there is no room, and closes. */
  private void turnAway(Connection connection) {
    boolean[] answered = {false};
    Connection.State state =
        connection.pump(
            (message, fds) -> {
              answered[0] = true;
              throw new Refusal(Errno.EBUSY, "another client has the device");
            });
    if (answered[0] || state != Connection.State.OPEN) {
      connection.close();
      turnedAway.remove(connection);
    }
  }

  private void serveClient() {
    switch (client.pump(fromClient)) {
      case OPEN -> {
        // The next look is when there is more.
      }
      case ENDED -> release();
      case BROKEN -> letGo(client.trouble());
    }
  }

  private void letGo(String trouble) {
    if (troubles++ < MAX_TROUBLES_LOGGED) {
      LOG.log(System.Logger.Level.WARNING, "vfio-user: the client {0}", trouble);
    }
    release();
  }

  private int handle(Message command, PassedFds fds) throws Refusal {
    boolean version = command.command() == VfioUserLayout.VERSION;
    if (version == versionAgreed) {
      throw Refusal.invalid(
          version ? "a version was agreed on before" : "no version was agreed on yet");
    }
    if (!version) {
      return commands.execute(command, fds);
    }
    if (fds.count() > 0 || fds.overflowed()) {
      throw Refusal.invalid("descriptors with a version");
    }
    int payload = Negotiation.reply(command, dma::limit);
    versionAgreed = true;
    return payload;
  }

  private void release() {
    client.close();
    client = null;
    commands.forgetClient();
    occupied = false;
  }
}
