package dev.virtiolab.firmware.stack;

/** What {@link StackCounters} counts. */
public enum StackCounter {
  /** Frames taken from the interface. */
  RX_FRAMES,
  /** Receive calls that ended in an error. */
  RX_ERROR,
  /** Shorter than an Ethernet header, or sent by a group address. */
  ETHERNET_MALFORMED,
  /** For another station. */
  ETHERNET_NOT_OURS,
  /** Neither ARP nor IPv4. */
  ETHERNET_OTHER_TYPE,
  ARP_REQUESTS_IN,
  ARP_REPLIES_IN,
  ARP_REQUESTS_OUT,
  ARP_REPLIES_OUT,
  /** Too short, of other hardware or protocol, or with an impossible sender. */
  ARP_MALFORMED,
  /** Somebody else claims our address. */
  ARP_CONFLICT,
  /** An address that nobody answered for. */
  ARP_UNANSWERED,
  /** A live neighbour that made way for another. */
  ARP_EVICTED,
  /** Datagrams dropped while they waited for a neighbour. */
  ARP_WAITING_DROPPED,
  /** Bad version, lengths or header checksum. */
  IPV4_MALFORMED,
  /** For another address. */
  IPV4_NOT_OURS,
  /** From an address that no host has. */
  IPV4_BAD_SOURCE,
  /** Neither ICMP nor a transport that is there. */
  IPV4_OTHER_PROTOCOL,
  /** For somebody who is not on the link, and there is no gateway. */
  IPV4_NO_ROUTE,
  FRAGMENTS_IN,
  /** A fragment without payload, of odd length, or past the end of the largest datagram. */
  FRAGMENT_MALFORMED,
  /** A fragment that came again, byte for byte. */
  FRAGMENT_DUPLICATE,
  /** A fragment that contradicts another one: the whole datagram is dropped. */
  FRAGMENT_OVERLAP,
  DATAGRAMS_REASSEMBLED,
  /** Datagrams of which a fragment was missing for too long. */
  REASSEMBLY_TIMEOUT,
  /** Unfinished datagrams that made way for another. */
  REASSEMBLY_EVICTED,
  /** Too short, or a bad checksum. */
  ICMP_MALFORMED,
  /** Neither echo request, echo reply nor "destination unreachable". */
  ICMP_OTHER,
  /** "Destination unreachable" sent: nobody has the port. */
  UNREACHABLE_OUT,
  /** Not sent, since too many were. */
  UNREACHABLE_RATIONED,
  /** Received, and about a datagram that a transport may have sent. */
  UNREACHABLE_IN,
  /** Received about nothing of ours, or cut too short to tell. */
  UNREACHABLE_STRAY,
  ECHO_REQUESTS_IN,
  ECHO_REPLIES_OUT,
  ECHO_REQUESTS_OUT,
  /** Replies to our own requests. */
  ECHO_REPLIES_IN,
  /** Replies that nobody waits for: late, repeated, or never asked for. */
  ECHO_REPLY_STRAY,
  /** Replies with other bytes than were sent. */
  ECHO_REPLY_CORRUPT,
  TCP_SEGMENTS_IN,
  TCP_SEGMENTS_OUT,
  /** Too short, a bad checksum, or port 0. */
  TCP_MALFORMED,
  /** Segments sent that hold what was sent before. */
  TCP_RETRANSMITTED,
  /** Timers that ran out before an acknowledgment or a window came. */
  TCP_TIMEOUTS,
  TCP_RESETS_IN,
  TCP_RESETS_OUT,
  /** Segments with no number that is expected. */
  TCP_OUT_OF_WINDOW,
  /** Segments with data or a FIN, none of which was next. */
  TCP_NOT_IN_ORDER,
  /** Answers to segments that may be guesses: RFC 5961. */
  TCP_CHALLENGES,
  /** SYNs for which there was no room. */
  TCP_SYN_DROPPED,
  /** A router took only smaller packets than were sent. */
  TCP_PATH_MTU_LOWERED,
  UDP_DATAGRAMS_IN,
  UDP_DATAGRAMS_OUT,
  /** Too short, or a bad checksum. */
  UDP_MALFORMED,
  /** For a port that nobody has. */
  UDP_NO_PORT,
  /** For a socket whose queue was full. */
  UDP_QUEUE_FULL,
  TX_FRAMES,
  /** Transmit calls that had to be repeated: the interface was full. */
  TX_BUSY,
  /** Frames that the interface refused for good. */
  TX_ERROR,
  /** A transmitted buffer handed back that was not in flight. */
  TX_STRAY_BUFFER,
  /** Polls that looked for no more frames until transmit buffers come back. */
  BACK_PRESSURE
}
