package dev.virtiolab.pci.vfiouser;

import static dev.virtiolab.pci.vfiouser.VfioUserLayout.HEADER_BYTES;

import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.PassedFds;
import dev.virtiolab.posix.UnixStream;

/**
 * A client's socket: takes messages off it, one after the other, and sends what becomes of them.
 * The server's thread.
 *
 * <p>A message that is longer than any can be is answered E2BIG and skipped; one that is shorter
 * than its own header ends the connection, since nobody knows where the next one begins.
 */
final class Connection implements AutoCloseable {
  /** Descriptors in one message: what is agreed as max_msg_fds. */
  static final int MAX_MESSAGE_FDS = 8;

  /** Messages in one go, so that a client that never stops does not keep the server from others. */
  private static final int BATCH = 64;

  /** What to do with a whole message, which becomes its reply. */
  @FunctionalInterface
  interface Handler {
    /**
     * @return bytes of the reply's payload
     */
    int handle(Message message, PassedFds fds) throws Refusal;

    /**
     * A reply has come.
     *
     * @return false if nothing like it was asked
     */
    default boolean replied(Message message) {
      return false;
    }
  }

  /** How {@link #pump} left it. */
  enum State {
    /** It may have more to say. */
    OPEN,
    /** The client closed it between two messages. */
    ENDED,
    /** It is of no use any more: {@link #trouble()} says why. */
    BROKEN
  }

  private final UnixStream stream;
  private final Outlet outlet;
  private final Message message;
  private final VfioUserCounters counters;
  private final PassedFds fds = new PassedFds(MAX_MESSAGE_FDS);
  private int have;
  private long toSkip;
  private String trouble = "";

  /**
   * @param message where to read to, shared with nobody that is in the midst of one
   * @param patienceNanos how long a client may leave its replies unread
   */
  Connection(UnixStream stream, Message message, VfioUserCounters counters, long patienceNanos) {
    this.stream = stream;
    this.message = message;
    this.counters = counters;
    outlet = new Outlet(stream, patienceNanos);
  }

  int fd() {
    return stream.fd();
  }

  /** Where messages go out to the client. */
  Outlet outlet() {
    return outlet;
  }

  /** Why it is {@link State#BROKEN}. */
  String trouble() {
    String sending = outlet.trouble();
    return sending.isEmpty() ? trouble : sending;
  }

  /** Whether a part of a message is here. */
  boolean inMidMessage() {
    return have > 0 || toSkip > 0;
  }

  /** Handles what has arrived, a batch of messages at most. */
  State pump(Handler handler) {
    for (int handled = 0; handled < BATCH; ) {
      int wanted =
          toSkip > 0
              ? (int) Math.min(toSkip, Message.MAX_DATA_BYTES)
              : (have < HEADER_BYTES ? HEADER_BYTES : (int) message.size()) - have;
      // While skipping, the header that is to be answered stays at the front.
      int result = stream.receive(message.bytes(), have, wanted, fds);
      if (result == -Errno.EAGAIN || result == -Errno.EINTR) {
        return State.OPEN;
      }
      if (result <= 0) {
        boolean cut = inMidMessage() || !outlet.trouble().isEmpty();
        return cut ? broken("left in the midst of a message") : State.ENDED;
      }
      if (toSkip > 0) {
        toSkip -= result;
        if (toSkip == 0 && !answerTooLong()) {
          return State.BROKEN;
        }
        continue;
      }
      have += result;
      if (have == HEADER_BYTES && !headerIsSound()) {
        return State.BROKEN;
      }
      if (have >= HEADER_BYTES && toSkip == 0 && have == message.size()) {
        handled++;
        if (!handle(handler)) {
          return State.BROKEN;
        }
      }
    }
    return State.OPEN;
  }

  private boolean headerIsSound() {
    long size = message.size();
    if (size < HEADER_BYTES) {
      counters.refused.incrementAndGet();
      message.replyError(Errno.EINVAL);
      send(HEADER_BYTES);
      trouble = "sent a message of " + size + " bytes";
      return false;
    }
    if (size > HEADER_BYTES + (long) Message.MAX_PAYLOAD_BYTES) {
      toSkip = size - HEADER_BYTES;
    }
    return true;
  }

  private boolean answerTooLong() {
    counters.messages.incrementAndGet();
    boolean sent = refuse(new Refusal(Errno.E2BIG, "a message of " + message.size() + " bytes"));
    begin();
    return sent;
  }

  private boolean handle(Handler handler) {
    counters.messages.incrementAndGet();
    boolean sent;
    try {
      if (!message.isCommand()) {
        if (!message.isReply() || !handler.replied(message)) {
          counters.refused.incrementAndGet(); // it answers nothing, and is not answered
        }
        sent = true;
      } else {
        boolean wantsReply = message.wantsReply();
        int payload = handler.handle(message, fds);
        message.reply(payload);
        sent = !wantsReply || send(HEADER_BYTES + payload);
      }
    } catch (Refusal e) {
      sent = refuse(e);
    }
    begin();
    return sent;
  }

  private boolean refuse(Refusal refusal) {
    if (counters.refused.getAndIncrement() == 0) {
      VfioUserServer.LOG.log(
          System.Logger.Level.WARNING,
          "vfio-user: refused a message: {0}; later ones are counted only",
          refusal.getMessage());
    }
    boolean wantsReply = message.wantsReply();
    message.replyError(refusal.errno());
    return !wantsReply || send(HEADER_BYTES);
  }

  private void begin() {
    have = 0;
    fds.clear();
  }

  private boolean send(int bytes) {
    return outlet.send(message.bytes(), bytes);
  }

  private State broken(String why) {
    trouble = why;
    return State.BROKEN;
  }

  @Override
  public void close() {
    outlet.close();
    fds.close();
    stream.close();
  }
}
