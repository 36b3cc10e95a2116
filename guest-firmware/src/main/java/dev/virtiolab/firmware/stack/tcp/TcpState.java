package dev.virtiolab.firmware.stack.tcp;

import java.util.EnumSet;
import java.util.Set;

/**
 * RFC 9293, 3.3.2 "State Machine Overview", as a table: where each state leads, and what it allows.
 *
 * <pre>{@code
 * LISTEN --SYN--> SYN_RECEIVED --ACK--> ESTABLISHED --FIN--> CLOSE_WAIT --close--> LAST_ACK
 *                   ^ SYN                ^  | close                                   | ACK
 * CLOSED --open--> SYN_SENT --SYN,ACK----+  v                                         v
 *                                      FIN_WAIT_1 --ACK--> FIN_WAIT_2               CLOSED
 *                                           | FIN              | FIN                  ^
 *                                           v                  v                      | 2 MSL
 *                                        CLOSING -----ACK--> TIME_WAIT ---------------+
 * }</pre>
 *
 * <p>Every state leads to CLOSED: by a reset, an abort, or when the peer is silent for too long.
 */
public enum TcpState {
  CLOSED,
  /** What the connection of a listener is before its SYN is looked at. */
  LISTEN,
  SYN_SENT,
  SYN_RECEIVED,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  CLOSE_WAIT,
  CLOSING,
  LAST_ACK,
  TIME_WAIT;

  private static final TcpState[][] NEXT = new TcpState[values().length][];

  static {
    from(CLOSED, SYN_SENT);
    from(LISTEN, SYN_RECEIVED, CLOSED);
    from(SYN_SENT, SYN_RECEIVED, ESTABLISHED, CLOSED);
    from(SYN_RECEIVED, ESTABLISHED, CLOSED);
    from(ESTABLISHED, FIN_WAIT_1, CLOSE_WAIT, CLOSED);
    from(FIN_WAIT_1, FIN_WAIT_2, CLOSING, CLOSED);
    from(FIN_WAIT_2, TIME_WAIT, CLOSED);
    from(CLOSE_WAIT, LAST_ACK, CLOSED);
    from(CLOSING, TIME_WAIT, CLOSED);
    from(LAST_ACK, CLOSED);
    from(TIME_WAIT, CLOSED);
  }

  private static final Set<TcpState> TAKES_DATA_TO_SEND =
      EnumSet.of(SYN_SENT, SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT);
  private static final Set<TcpState> SENDS_DATA =
      EnumSet.of(ESTABLISHED, FIN_WAIT_1, CLOSE_WAIT, CLOSING, LAST_ACK);
  private static final Set<TcpState> RECEIVES_DATA =
      EnumSet.of(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2);

  private static void from(TcpState state, TcpState... next) {
    NEXT[state.ordinal()] = next;
  }

  boolean leadsTo(TcpState next) {
    for (TcpState candidate : NEXT[ordinal()]) {
      if (candidate == next) {
        return true;
      }
    }
    return false;
  }

  /** Whether the user may still give data to send. */
  boolean takesDataToSend() {
    return TAKES_DATA_TO_SEND.contains(this);
  }

  /** Whether data, and the FIN behind it, may be on its way to the peer. */
  boolean sendsData() {
    return SENDS_DATA.contains(this);
  }

  /** Whether the peer may send data. */
  boolean receivesData() {
    return RECEIVES_DATA.contains(this);
  }
}
