package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.UnixStream;
import dev.virtiolab.virtio.feature.FeatureBits;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * One front-end, from its connection to its end: reads requests one by one, has them {@linkplain
 * Requests granted}, and answers.
 *
 * <p>The server's thread runs it. What it waits for is given up when the server stops.
 */
final class Session {
  private static final System.Logger LOG = System.getLogger(Session.class.getName());

  /** How long a front-end may leave an answer unread. */
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

  /** How often a ring is tried again that waits for a translation. */
  private static final long TRY_AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final UnixStream stream;
  private final VhostUserTransport transport;
  private final VhostUserCounters counters;
  private final Requests requests;
  private final Message request = new Message();
  private final Message reply = new Message();

  /** Why it ends; null while it does not. */
  private String ending;

  /** The same refusal again and again is said once. */
  private String lastRefusal = "";

  /**
   * @param stream closed by {@link #run}
   */
  Session(
      UnixStream stream,
      VhostUserTransport transport,
      VhostUserOptions options,
      VhostUserCounters counters) {
    this.stream = stream;
    this.transport = transport;
    this.counters = counters;
    requests = new Requests(transport, options);
  }

  /**
   * Serves the front-end until it goes, or does what cannot be answered.
   *
   * @param stop ends it when it is readable
   * @param knock somebody else wants in when this is readable; -1 for nothing
   * @param onKnock called then
   */
  void run(EventFd stop, int knock, Runnable onKnock) {
    try {
      while (ending == null) {
        serve(stop, knock, onKnock);
      }
      if (!ending.isEmpty()) {
        LOG.log(System.Logger.Level.WARNING, "vhost-user: the front-end is let go: {0}", ending);
      }
    } finally {
      close();
    }
  }

  /** Serves it until the set of descriptors to wait for changes. */
  private void serve(EventFd stop, int knock, Runnable onKnock) {
    BackEndChannel channel = requests.channel();
    try (Poll poll = new Poll(4)) {
      int atStream = poll.add(stream.fd());
      int atStop = poll.add(stop.fd());
      int atKnock = poll.add(knock);
      int atChannel = poll.add(channel == null ? -1 : channel.fd());
      while (ending == null && channel == requests.channel()) {
        if (poll.await(transport.ringWaits() ? TRY_AGAIN_NANOS : Poll.FOREVER) == 0) {
          locked(VhostUserTransport::startWaiting);
        }
        if (poll.readable(atStop)) {
          ending = "";
        }
        if (poll.readable(atChannel) || poll.failed(atChannel)) {
          readAnswers(channel);
        }
        if (poll.readable(atStream) || poll.failed(atStream)) {
          readRequests(stop, channel);
        }
        if (poll.readable(atKnock) && !isGone(stop, channel)) {
          onKnock.run();
        }
      }
    }
  }

  /** Whether the front-end has gone meanwhile: then it may be the same one that knocks. */
  private boolean isGone(EventFd stop, BackEndChannel channel) {
    readRequests(stop, channel);
    return ending != null;
  }

  private void readAnswers(BackEndChannel channel) {
    while (true) {
      switch (channel.readAnswer()) {
        case NONE -> {
          return;
        }
        case CLOSED -> {
          requests.channelIsGone();
          return;
        }
        case IOTLB -> locked(VhostUserTransport::missAnswered);
        case OTHER -> {
          // Asked for by nobody, and of no consequence.
        }
      }
    }
  }

  private void locked(Consumer<VhostUserTransport> what) {
    transport.enter();
    try {
      what.accept(transport);
    } finally {
      transport.lock().unlock();
    }
  }

  /** Answers what there is, as long as who is waited for stays the same. */
  private void readRequests(EventFd stop, BackEndChannel channel) {
    while (ending == null && channel == requests.channel()) {
      switch (request.receive(stream)) {
        case PARTIAL -> {
          return;
        }
        case CLOSED -> ending = "";
        case GARBLED -> ending = request.fault();
        case WHOLE -> {
          handle(stop);
          // Descriptors that nobody took are closed now, not when the next request comes.
          request.clear();
        }
      }
    }
  }

  private void handle(EventFd stop) {
    counters.request();
    Request known = Request.of(request.number());
    try {
      if (known == null) {
        throw new RefusedException("request " + request.number() + " is not offered");
      }
      requests.check(known, request);
      int[] fds = requests.grant(known, request, reply);
      if (known.answer() == Request.Answer.BODY) {
        send(stop, fds);
      } else {
        acknowledge(stop, 0);
      }
    } catch (RefusedException | PosixException e) {
      // The kernel refuses where a limit of this process is met: the front-end is told the same.
      refuse(stop, known, e.getMessage());
    }
  }

  private boolean acknowledges() {
    return request.needsReply() && FeatureBits.has(requests.protocol(), ProtocolFeatures.REPLY_ACK);
  }

  private void acknowledge(EventFd stop, long result) {
    if (acknowledges()) {
      reply
          .become(request.number(), VhostUserLayout.REPLY, VhostUserLayout.U64_BYTES)
          .u64(0, result);
      send(stop);
    }
  }

  /**
   * Refuses: by a non-zero acknowledgement where one was asked for, or by the body that the request
   * has for it. Where there is neither, the front-end would go on in error, so it is let go.
   */
  private void refuse(EventFd stop, Request known, String why) {
    counters.requestRefused();
    String name = known == null ? "" : known + ": ";
    boolean told = known != null && requests.refusal(known, request, reply);
    if (told) {
      logOnce(name + why);
      send(stop);
    } else if ((known == null || known.answer() == Request.Answer.ACK) && acknowledges()) {
      logOnce(name + why);
      acknowledge(stop, 1);
    } else {
      ending = name + why;
    }
  }

  private void logOnce(String line) {
    if (!line.equals(lastRefusal)) {
      lastRefusal = line;
      LOG.log(System.Logger.Level.WARNING, "vhost-user: refused {0}", line);
    }
  }

  private void send(EventFd stop, int... fds) {
    try {
      if (reply.send(stream, fds)) {
        return;
      }
      sendSlowly(stop);
    } catch (IOException e) {
      ending = ""; // it is gone; whatever it did not read does not matter
    }
  }

  /** The front-end has not read what it was sent before. */
  private void sendSlowly(EventFd stop) throws IOException {
    long since = System.nanoTime();
    try (Poll poll = new Poll(2)) {
      poll.addWritable(stream.fd());
      int atStop = poll.add(stop.fd());
      while (!reply.send(stream)) {
        long left = PATIENCE_NANOS - (System.nanoTime() - since);
        if (left <= 0) {
          ending = "it does not read its answers";
          return;
        }
        poll.await(left);
        if (poll.readable(atStop)) {
          ending = "";
          return;
        }
      }
    }
  }

  private void close() {
    requests.close();
    request.close();
    stream.close();
  }
}
