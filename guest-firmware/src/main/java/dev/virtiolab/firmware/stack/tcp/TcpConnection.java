package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.StackCounters;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * One connection, polled from the firmware's thread: nothing here waits. What is given to {@link
 * #send} goes out in the stack's next turns, what arrives is there for {@link #receive}.
 *
 * <p>The states are {@link TcpState}'s, the handling of segments is in the order of RFC 9293,
 * 3.10.7, with the checks of RFC 5961 against resets and data by guess.
 */
public final class TcpConnection implements AutoCloseable {
  /** Of each direction, in bytes. */
  static final int BUFFER_BYTES = 256 << 10;

  /** The least shift with which a window says all of the buffer. */
  static final int WINDOW_SCALE = 3;

  /** RFC 9293, 3.8.1, lets half a minute stand for a segment's life; twice that is TIME-WAIT. */
  static final long TIME_WAIT_NANOS = 60_000_000_000L;

  /** How long a connection that its user has left may take to end. */
  static final long ORPHAN_NANOS = 300_000_000_000L;

  /** What a peer without the option takes: RFC 9293, 3.7.1. */
  static final int DEFAULT_MSS = 536;

  /** Smaller segments than this would be all header; a peer that wants them gets these. */
  static final int LEAST_MSS = 88;

  private final Tcp tcp;
  private final SegmentWriter writer;
  private final StackCounters counters;
  private final TcpPeer peer;

  /** Who has listened for it; null if we have opened it. */
  private final TcpListener listener;

  private final TcpSender sender = new TcpSender(BUFFER_BYTES);
  private final TcpReceiver receiver = new TcpReceiver(BUFFER_BYTES);
  private final Acknowledgments acknowledgments = new Acknowledgments();

  private TcpState state;
  private TcpError error;
  private boolean unreachable;
  private boolean finWanted;
  private boolean orphan;
  private long orphanNanos;

  private int peerScale = TcpSegment.NO_SCALE;
  private int peerMss = DEFAULT_MSS;
  private boolean mayFragment;

  private long timeWaitNanos;
  private boolean outputWanted;

  TcpConnection(
      Tcp tcp, SegmentWriter writer, StackCounters counters, TcpPeer peer, TcpListener listener) {
    this.tcp = tcp;
    this.writer = writer;
    this.counters = counters;
    this.peer = peer;
    this.listener = listener;
    state = listener == null ? TcpState.CLOSED : TcpState.LISTEN;
  }

  // ---- the user's calls: RFC 9293, 3.10.1 to 3.10.6

  public TcpState state() {
    return state;
  }

  /** Why it is closed; empty while it is not, and where it ended in good order. */
  public Optional<TcpError> error() {
    return Optional.ofNullable(error);
  }

  /** Whether the handshake is over, however the connection has fared since. */
  public boolean isEstablished() {
    return sender.mss() != 0;
  }

  public Ipv4Address remoteAddress() {
    return new Ipv4Address(peer.address());
  }

  public int remotePort() {
    return peer.port();
  }

  public int localPort() {
    return peer.localPort();
  }

  /**
   * Takes bytes to send, as many as there is room for.
   *
   * @return how many; -1 if no more can be sent, since this side has closed or the connection is
   *     lost
   */
  public int send(MemorySegment from, long at, int length) {
    if (!state.takesDataToSend() || finWanted) {
      return -1;
    }
    outputWanted = true;
    return sender.queue(from, at, length);
  }

  /** How many bytes {@link #send} would take. */
  public int sendable() {
    return state.takesDataToSend() && !finWanted ? sender.free() : 0;
  }

  /** How many bytes were given to {@link #send} and are not acknowledged by the peer. */
  public int unacknowledged() {
    return sender.pending();
  }

  /**
   * Gives bytes that have arrived.
   *
   * @return how many, 0 if none are there now; -1 if no more will come, since the peer has closed
   *     or the connection is lost
   */
  public int receive(MemorySegment to, long at, int length) {
    int given = receiver.read(to, at, length);
    if (given > 0) {
      if (receiver.isUpdateDue() && state.receivesData()) {
        acknowledgments.demand();
        outputWanted = true;
      }
      return given;
    }
    return length > 0 && isDrained() ? -1 : 0;
  }

  /** How many bytes {@link #receive} would give. */
  public int receivable() {
    return receiver.available();
  }

  /** Whether {@link #receive} would say -1. */
  public boolean isDrained() {
    return receiver.available() == 0 && (receiver.isFinished() || state == TcpState.CLOSED);
  }

  /** Sends a FIN behind what was given to send; the peer may go on sending. */
  public void shutdownOutput() {
    finWanted = true;
    switch (state) {
      case SYN_SENT -> end(TcpError.ABORTED);
      case ESTABLISHED -> {
        sender.queueFin();
        become(TcpState.FIN_WAIT_1);
      }
      case CLOSE_WAIT -> {
        sender.queueFin();
        become(TcpState.LAST_ACK);
      }
      default -> {
        // SYN_RECEIVED: when it is established. Else it is done.
      }
    }
    outputWanted = true;
  }

  /** Resets the connection: what is on its way either way is lost. */
  public void abort() {
    switch (state) {
      case SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK ->
          reset();
      case SYN_SENT -> end(TcpError.ABORTED);
      default -> {
        if (state == TcpState.TIME_WAIT) {
          end(null);
        }
      }
    }
  }

  /**
   * Is done with the connection: what was given to send still goes out. Data that nobody has read,
   * or that still comes, resets it, since the peer must not take it for read (RFC 9293, 3.6).
   */
  @Override
  public void close() {
    if (orphan) {
      return;
    }
    orphan = true;
    orphanNanos = tcp.nanos();
    if (receiver.available() > 0) {
      abort();
    } else {
      shutdownOutput();
    }
  }

  private void reset() {
    if (tcp.hasRoom()) {
      writer.bare(
          peer, TcpLayout.RST | TcpLayout.ACK, sender.next(), receiver.next(), 0, tcp.nanos());
    }
    end(TcpError.ABORTED);
  }

  private void become(TcpState next) {
    if (!state.leadsTo(next)) {
      throw new IllegalStateException(state + " does not lead to " + next);
    }
    state = next;
  }

  private void end(TcpError reason) {
    if (error == null) {
      error = reason;
    }
    become(TcpState.CLOSED);
    sender.disarm();
    outputWanted = false;
    acknowledgments.cancel();
    tcp.forget(this);
  }

  // ---- opening

  /** OPEN, active: 3.10.1. */
  void open(int initialSequence) {
    sender.start(initialSequence);
    become(TcpState.SYN_SENT);
    outputWanted = true;
  }

  /** A SYN came for a listener: 3.10.7.2. */
  void accept(TcpSegment syn, int initialSequence, long now) {
    sender.start(initialSequence);
    learn(syn);
    become(TcpState.SYN_RECEIVED);
    sendSyn(now);
  }

  private void learn(TcpSegment syn) {
    peerScale = syn.windowScale();
    if (syn.maximumSegmentSize() != 0) {
      peerMss = Math.max(syn.maximumSegmentSize(), LEAST_MSS);
    }
    int scale = peerScale == TcpSegment.NO_SCALE ? 0 : WINDOW_SCALE;
    receiver.start(syn.sequence(), scale, writer.maximumSegmentSize());
  }

  private void sendSyn(long now) {
    boolean answer = state == TcpState.SYN_RECEIVED;
    // RFC 7323, 2.2: in an answer only to who has offered it.
    boolean scaled = !answer || peerScale != TcpSegment.NO_SCALE;
    writer.syn(
        peer,
        answer ? TcpLayout.ACK : 0,
        sender.una(),
        answer ? receiver.next() : 0,
        receiver.synWindowField(),
        scaled ? WINDOW_SCALE : TcpSegment.NO_SCALE,
        now);
    sender.synSent(now);
    acknowledgments.sent();
  }

  /** The peer has our SYN, and we have its. */
  private void establish(TcpSegment segment, long now) {
    int mss = Math.min(peerMss, writer.maximumSegmentSize());
    sender.established(mss, windowOf(segment), segment.sequence(), now);
    become(TcpState.ESTABLISHED);
    if (listener != null) {
      listener.established(this);
    }
    if (finWanted) {
      shutdownOutput();
    }
  }

  // ---- SEGMENT ARRIVES: 3.10.7

  void arrived(TcpSegment segment, long now) {
    if (state == TcpState.SYN_SENT) {
      arrivedInSynSent(segment, now);
    } else {
      arrivedLater(segment, now);
    }
    if (state != TcpState.CLOSED) {
      output(now);
    }
  }

  /** 3.10.7.3. */
  private void arrivedInSynSent(TcpSegment segment, long now) {
    boolean acknowledged = segment.isAck() && segment.acknowledgment() == sender.next();
    if (segment.isAck() && !acknowledged) {
      if (!segment.isRst()) {
        writer.bare(peer, TcpLayout.RST, segment.acknowledgment(), 0, 0, now);
      }
    } else if (segment.isRst()) {
      if (acknowledged) {
        counters.increment(StackCounter.TCP_RESETS_IN);
        end(TcpError.REFUSED);
      }
    } else if (segment.isSyn()) {
      learn(segment);
      if (acknowledged) {
        establish(segment, now);
        acknowledgments.demand();
        // Data or a FIN that came along is not acknowledged, and comes again.
      } else {
        become(TcpState.SYN_RECEIVED); // both have opened
        sendSyn(now);
      }
    }
  }

  /** 3.10.7.4. */
  private void arrivedLater(TcpSegment segment, long now) {
    if (state == TcpState.SYN_RECEIVED
        && segment.isSyn()
        && !segment.isRst()
        && segment.sequence() == receiver.next() - 1) {
      repeatedSyn(segment, now);
      return;
    }
    // First, the sequence number.
    if (!receiver.isAcceptable(segment.sequence(), segment.sequenceLength())) {
      counters.increment(StackCounter.TCP_OUT_OF_WINDOW);
      if (state == TcpState.TIME_WAIT && segment.isFin()) {
        timeWaitNanos = now;
      }
      if (!segment.isRst()) {
        answerUnacceptable(segment, now);
      }
      return;
    }
    // Second, the reset: RFC 5961, 3.2.
    if (segment.isRst()) {
      if (segment.sequence() == receiver.next()) {
        counters.increment(StackCounter.TCP_RESETS_IN);
        end(state == TcpState.TIME_WAIT ? null : TcpError.RESET);
      } else {
        challenge(now);
      }
      return;
    }
    // Fourth, the SYN: RFC 5961, 4.2.
    if (segment.isSyn()) {
      challenge(now);
      return;
    }
    // Fifth, the acknowledgment, without which nothing counts; RFC 5961, 5.2.
    if (!segment.isAck()) {
      return;
    }
    if (state == TcpState.SYN_RECEIVED) {
      if (segment.acknowledgment() != sender.next()) {
        writer.bare(peer, TcpLayout.RST, segment.acknowledgment(), 0, 0, now);
        return;
      }
      establish(segment, now);
    } else if (!sender.isAcceptable(segment.acknowledgment())) {
      challenge(now);
      return;
    }
    acknowledged(segment, now);
    if (state == TcpState.CLOSED) {
      return;
    }
    // Seventh and eighth, the text and the FIN.
    if (segment.dataLength() > 0 || segment.isFin()) {
      text(segment, now);
    }
  }

  /** The peer's SYN once more: it has lost our answer, or has opened as we have (3.5, figure 8). */
  private void repeatedSyn(TcpSegment segment, long now) {
    if (segment.isAck() && segment.acknowledgment() == sender.next()) {
      establish(segment, now);
      acknowledgments.demand();
    } else if (!segment.isAck()) {
      sendSyn(now);
    }
  }

  private void acknowledged(TcpSegment segment, long now) {
    boolean bare = segment.sequenceLength() == 0;
    sender.acknowledge(segment.acknowledgment(), segment.sequence(), windowOf(segment), bare, now);
    if (!sender.isFinAcknowledged()) {
      return;
    }
    switch (state) {
      case FIN_WAIT_1 -> {
        become(TcpState.FIN_WAIT_2);
        timeWaitNanos = now;
      }
      case CLOSING -> waitOut(now);
      case LAST_ACK -> end(null);
      default -> {
        // It was acknowledged before.
      }
    }
  }

  private int windowOf(TcpSegment segment) {
    // RFC 7323, 2.2: in a SYN it is not scaled.
    boolean scaled = peerScale != TcpSegment.NO_SCALE && !segment.isSyn();
    return scaled ? segment.window() << peerScale : segment.window();
  }

  private void text(TcpSegment segment, long now) {
    if (!state.receivesData()) {
      acknowledgments.demand(); // all of it was there, its FIN included
      return;
    }
    if (orphan && segment.dataLength() > 0) {
      reset();
      return;
    }
    boolean gap = receiver.hasGap();
    int before = receiver.next();
    boolean moved =
        receiver.take(
            segment.sequence(),
            segment.bytes(),
            segment.dataOffset(),
            segment.dataLength(),
            segment.isFin());
    if (!moved) {
      counters.increment(StackCounter.TCP_NOT_IN_ORDER);
    }
    acknowledgments.came(
        receiver.next() - before,
        segment.dataLength(),
        !moved || gap || receiver.isFinished(),
        now);
    if (receiver.isFinished()) {
      finished(now);
    }
  }

  private void finished(long now) {
    switch (state) {
      case ESTABLISHED -> become(TcpState.CLOSE_WAIT);
      case FIN_WAIT_1 -> become(TcpState.CLOSING);
      case FIN_WAIT_2 -> waitOut(now);
      default -> throw new IllegalStateException("a FIN taken in " + state);
    }
  }

  private void waitOut(long now) {
    become(TcpState.TIME_WAIT);
    timeWaitNanos = now;
    sender.finish();
  }

  /** "Send an acknowledgment"; one that takes no numbers gets few, lest two hosts never end. */
  private void answerUnacceptable(TcpSegment segment, long now) {
    if (segment.sequenceLength() > 0 && !segment.isSyn()) {
      acknowledgments.demand();
    } else {
      challenge(now);
    }
  }

  private void challenge(long now) {
    if (acknowledgments.challenge(now)) {
      counters.increment(StackCounter.TCP_CHALLENGES);
    }
  }

  /** Whether a SYN that starts at {@code sequence} may begin anew: 3.6.1, "TIME-WAIT". */
  boolean yieldsTo(TcpSegment segment) {
    return state == TcpState.TIME_WAIT
        && segment.isSyn()
        && !segment.isRst()
        && !segment.isAck()
        && Sequence.after(segment.sequence(), receiver.next());
  }

  /** Makes way for another connection. */
  void makeWay() {
    end(error);
  }

  /** Whether {@code number} says that it is about something that is on its way: RFC 5927, 4.1. */
  boolean isOut(int number) {
    return sender.isOut(number);
  }

  /**
   * A router or host says that a segment of ours did not arrive.
   *
   * @param hard whether the port is not there, and not just the way
   */
  void unreachable(boolean hard) {
    // RFC 1122, 4.2.3.9, as RFC 5461 reads it: one that works is not ended by what anybody can say.
    if (hard && state == TcpState.SYN_SENT) {
      end(TcpError.REFUSED);
    } else {
      unreachable = true;
    }
  }

  /**
   * A router takes packets of {@code mtu} bytes; so few that we let it take them apart, if less.
   */
  void tooLarge(int mtu, boolean fragment) {
    int mss = mtu - SegmentWriter.HEADER_BYTES;
    mayFragment |= fragment;
    if (isEstablished() && mss < sender.mss()) {
      counters.increment(StackCounter.TCP_PATH_MTU_LOWERED);
      sender.lowerMss(mss);
    }
    outputWanted = true;
  }

  // ---- time

  void tick(long now) {
    outputWanted |= acknowledgments.tick(now);
    long giveUp = isEstablished() ? TcpSender.GIVE_UP_NANOS : TcpSender.GIVE_UP_SYN_NANOS;
    switch (sender.tick(giveUp, now)) {
      case WAITING -> {}
      case EXPIRED -> {
        counters.increment(StackCounter.TCP_TIMEOUTS);
        outputWanted = true;
      }
      case HOPELESS -> {
        end(unreachable ? TcpError.UNREACHABLE : TcpError.TIMED_OUT);
        return;
      }
    }
    if (state == TcpState.TIME_WAIT && now - timeWaitNanos >= TIME_WAIT_NANOS) {
      end(null);
    } else if (orphan && isOverdue(now)) {
      abort();
    }
  }

  /** A peer that acknowledges our FIN and never sends its own, or takes data for ever. */
  private boolean isOverdue(long now) {
    return state == TcpState.FIN_WAIT_2
            && now - timeWaitNanos >= TIME_WAIT_NANOS
            && now - orphanNanos >= TIME_WAIT_NANOS
        || state != TcpState.TIME_WAIT && now - orphanNanos >= ORPHAN_NANOS;
  }

  // ---- output

  /** Sends what can be sent, if there may be something; true if it waits for buffers alone. */
  boolean pump(long now) {
    return outputWanted && output(now);
  }

  private boolean output(long now) {
    outputWanted = true; // until it is done
    if (!tcp.hasRoom()) {
      return true;
    }
    if (state == TcpState.SYN_SENT || state == TcpState.SYN_RECEIVED) {
      if (sender.isSynDue()) {
        sendSyn(now);
      }
    } else if (state.sendsData()) {
      sender.noteIdle(now);
      while (sender.choose()) {
        if (!writer.hasRoom(sender.pieceLength())) {
          return true;
        }
        sendPiece(now);
      }
      sender.rest(now);
    }
    if (acknowledgments.isDue()) {
      int window = receiver.windowField();
      writer.bare(peer, TcpLayout.ACK, sender.next(), receiver.next(), window, now);
      acknowledgments.sent();
    }
    outputWanted = false;
    return false;
  }

  private void sendPiece(long now) {
    int flags = TcpLayout.ACK;
    if (sender.pieceFin()) {
      flags |= TcpLayout.FIN;
    }
    if (sender.pieceLength() > 0 && sender.pieceIsLast()) {
      flags |= TcpLayout.PSH;
    }
    writer.data(
        peer,
        flags,
        sender.pieceSequence(),
        receiver.next(),
        receiver.windowField(),
        sender.ring(),
        sender.pieceLength(),
        !mayFragment,
        now);
    if (sender.sent(now)) {
      counters.increment(StackCounter.TCP_RETRANSMITTED);
    }
    acknowledgments.sent();
  }

  // ---- for the table

  TcpPeer peer() {
    return peer;
  }

  TcpListener listener() {
    return listener;
  }

  long timeWaitNanos() {
    return timeWaitNanos;
  }

  TcpSender sender() {
    return sender;
  }

  TcpReceiver receiver() {
    return receiver;
  }
}
