package dev.virtiolab.lab.metrics;

import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.TcpListener;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Answers {@code GET /metrics}, one client after the other, on a thread of its own. A client has
 * two seconds for its request and two for the answer, and {@value #REQUEST_BYTES} bytes for its
 * request.
 *
 * <p>Not the JDK's server, and not Netty: those cannot take a socket over that listens already, and
 * this one has to be made outside of the network namespace in which the lab then is.
 */
public final class MetricsServer implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(MetricsServer.class.getName());

  private static final int REQUEST_BYTES = 8192;
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final byte[] END_OF_HEAD = {'\r', '\n', '\r', '\n'};

  private final TcpListener listener;
  private final Supplier<String> page;
  private final EventFd stop = EventFd.create();
  private final Thread thread;

  private MetricsServer(TcpListener listener, Supplier<String> page) {
    this.listener = listener;
    this.page = page;
    thread = Thread.ofPlatform().name("metrics").daemon().unstarted(this::run);
  }

  /**
   * Answers from now on.
   *
   * @param listener closed with the server
   */
  public static MetricsServer start(TcpListener listener, Metrics metrics) {
    MetricsServer server = new MetricsServer(listener, metrics::text);
    server.thread.start();
    return server;
  }

  /** Whether it answers: false once it was closed, or died of a bug. */
  public boolean running() {
    return thread.isAlive();
  }

  /** Stops answering, and listening; a second call does nothing. */
  @Override
  public void close() {
    if (thread.isAlive()) {
      stop.signal();
      boolean interrupted = false;
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    listener.close();
    stop.close();
  }

  private void run() {
    try (Arena arena = Arena.ofConfined();
        Poll poll = new Poll(2)) {
      MemorySegment buffer = arena.allocate(REQUEST_BYTES);
      int stopped = poll.add(stop.fd());
      poll.add(listener.fd());
      while (true) {
        poll.await(Poll.FOREVER);
        if (poll.readable(stopped)) {
          return;
        }
        TcpListener.Connection client = listener.accept();
        if (client != null) {
          try (client) {
            serve(client, buffer);
          }
        }
      }
    } catch (RuntimeException e) {
      LOG.log(System.Logger.Level.ERROR, "metrics are no longer served", e);
    }
  }

  private void serve(TcpListener.Connection client, MemorySegment buffer) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    String request = read(client, buffer, deadline);
    if (request == null) {
      return; // went, or took too long
    }
    byte[] answer = answer(request).getBytes(StandardCharsets.UTF_8);
    try (Arena arena = Arena.ofConfined()) {
      write(client, arena.allocateFrom(ValueLayout.JAVA_BYTE, answer));
    }
  }

  /** The head of a request; null if none came. */
  private String read(TcpListener.Connection client, MemorySegment buffer, long deadline) {
    int length = 0;
    while (length < REQUEST_BYTES) {
      int got = client.read(buffer, length, REQUEST_BYTES - length);
      if (got > 0) {
        length += got;
        byte[] head = buffer.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
        String text = new String(head, StandardCharsets.ISO_8859_1);
        if (text.contains(new String(END_OF_HEAD, StandardCharsets.ISO_8859_1))) {
          return text;
        }
      } else if (got != -Errno.EAGAIN || !await(client, false, deadline)) {
        return null;
      }
    }
    return ""; // too long to be one of ours
  }

  private void write(TcpListener.Connection client, MemorySegment answer) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    int done = 0;
    int length = (int) answer.byteSize();
    while (done < length) {
      int put = client.write(answer, done, length - done);
      if (put >= 0) {
        done += put;
      } else if (put != -Errno.EAGAIN || !await(client, true, deadline)) {
        return;
      }
    }
  }

  /** Whether the client got ready before the deadline, and before the server was to stop. */
  private boolean await(TcpListener.Connection client, boolean toWrite, long deadline) {
    long left = deadline - System.nanoTime();
    if (left <= 0) {
      return false;
    }
    try (Poll poll = new Poll(2)) {
      int stopped = poll.add(stop.fd());
      if (toWrite) {
        poll.addWritable(client.fd());
      } else {
        poll.add(client.fd());
      }
      return poll.await(left) > 0 && !poll.readable(stopped);
    }
  }

  /** The answer to the head of a request (RFC 9112, 3 "Request Line"). */
  private String answer(String request) {
    String[] words = request.lines().findFirst().orElse("").split(" ", -1);
    if (words.length != 3 || !words[2].startsWith("HTTP/1.")) {
      return message("400 Bad Request", "text/plain", "not a request\n", true);
    }
    boolean head = words[0].equals("HEAD");
    if (!head && !words[0].equals("GET")) {
      return message(
          "405 Method Not Allowed", "text/plain\r\nAllow: GET, HEAD", "GET only\n", true);
    }
    String path = words[1].split("\\?", 2)[0];
    if (!path.equals("/metrics")) {
      return message("404 Not Found", "text/plain", "it is at /metrics\n", !head);
    }
    return message("200 OK", Metrics.CONTENT_TYPE, page.get(), !head);
  }

  private static String message(String status, String type, String body, boolean withBody) {
    return "HTTP/1.1 "
        + status
        + "\r\nContent-Type: "
        + type
        + "\r\nContent-Length: "
        + body.getBytes(StandardCharsets.UTF_8).length
        + "\r\nConnection: close\r\n\r\n"
        + (withBody ? body : "");
  }
}
