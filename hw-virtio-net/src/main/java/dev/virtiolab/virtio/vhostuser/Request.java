package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.ADDR_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.CONFIG_FIRST;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.CONFIG_MAX_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.INFLIGHT_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.INFLIGHT_MIN_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.IOTLB_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.IOTLB_MIN_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.LOG_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.MEMORY_FIRST;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.MEMORY_MAX_REGIONS;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.REGION_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.SLOT_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.STATE_BYTES;
import static dev.virtiolab.virtio.vhostuser.VhostUserLayout.U64_BYTES;

/**
 * The requests of a front-end that are served here, as a table: number, length of the payload,
 * descriptors, the protocol feature that has to be there, when it may come, and how it is answered
 * (vhost-user.rst, "Front-end message types").
 *
 * <p>A request that is not in the table belongs to a feature that is not offered.
 */
enum Request {
  GET_FEATURES(1, none(), fds(0), 0, When.ANY, Answer.BODY),
  SET_FEATURES(2, exactly(U64_BYTES), fds(0), 0, When.ANY, Answer.ACK),
  SET_OWNER(3, none(), fds(0), 0, When.ANY, Answer.ACK),
  RESET_OWNER(4, none(), fds(0), 0, When.ANY, Answer.ACK),
  SET_MEM_TABLE(
      5,
      between(MEMORY_FIRST + REGION_BYTES, MEMORY_FIRST + MEMORY_MAX_REGIONS * REGION_BYTES),
      fds(1, MEMORY_MAX_REGIONS),
      0,
      When.ANY,
      Answer.ACK),
  SET_LOG_BASE(6, exactly(LOG_BYTES), fds(1), ProtocolFeatures.LOG_SHMFD, When.ANY, Answer.BODY),
  SET_LOG_FD(7, between(0, U64_BYTES), fds(1), 0, When.ANY, Answer.ACK),
  SET_VRING_NUM(8, exactly(STATE_BYTES), fds(0), 0, When.RING_STOPPED, Answer.ACK),
  SET_VRING_ADDR(9, exactly(ADDR_BYTES), fds(0), 0, When.RING, Answer.ACK),
  SET_VRING_BASE(10, exactly(STATE_BYTES), fds(0), 0, When.RING_STOPPED, Answer.ACK),
  GET_VRING_BASE(11, exactly(STATE_BYTES), fds(0), 0, When.RING, Answer.BODY),
  SET_VRING_KICK(12, exactly(U64_BYTES), fds(0, 1), 0, When.RING, Answer.ACK),
  SET_VRING_CALL(13, exactly(U64_BYTES), fds(0, 1), 0, When.RING, Answer.ACK),
  SET_VRING_ERR(14, exactly(U64_BYTES), fds(0, 1), 0, When.RING, Answer.ACK),
  GET_PROTOCOL_FEATURES(15, none(), fds(0), 0, When.ANY, Answer.BODY),
  SET_PROTOCOL_FEATURES(16, exactly(U64_BYTES), fds(0), 0, When.ANY, Answer.ACK),
  GET_QUEUE_NUM(17, none(), fds(0), 0, When.ANY, Answer.BODY),
  SET_VRING_ENABLE(18, exactly(STATE_BYTES), fds(0), 0, When.RING, Answer.ACK),
  SET_BACKEND_REQ_FD(
      21, between(0, U64_BYTES), fds(1), ProtocolFeatures.BACKEND_REQ, When.ANY, Answer.ACK),
  IOTLB_MSG(22, between(IOTLB_MIN_BYTES, IOTLB_BYTES), fds(0), 0, When.ANY, Answer.BODY),
  GET_CONFIG(
      24,
      between(CONFIG_FIRST, CONFIG_FIRST + CONFIG_MAX_BYTES),
      fds(0),
      ProtocolFeatures.CONFIG,
      When.ANY,
      Answer.BODY),
  SET_CONFIG(
      25,
      between(CONFIG_FIRST, CONFIG_FIRST + CONFIG_MAX_BYTES),
      fds(0),
      ProtocolFeatures.CONFIG,
      When.ANY,
      Answer.ACK),
  GET_INFLIGHT_FD(
      31,
      between(INFLIGHT_MIN_BYTES, INFLIGHT_BYTES),
      fds(0),
      ProtocolFeatures.INFLIGHT_SHMFD,
      When.ANY,
      Answer.BODY),
  SET_INFLIGHT_FD(
      32,
      between(INFLIGHT_MIN_BYTES, INFLIGHT_BYTES),
      fds(1),
      ProtocolFeatures.INFLIGHT_SHMFD,
      When.ALL_STOPPED,
      Answer.ACK),
  RESET_DEVICE(34, none(), fds(0), ProtocolFeatures.RESET_DEVICE, When.ANY, Answer.ACK),
  GET_MAX_MEM_SLOTS(
      36, none(), fds(0), ProtocolFeatures.CONFIGURE_MEM_SLOTS, When.ANY, Answer.BODY),
  ADD_MEM_REG(
      37, exactly(SLOT_BYTES), fds(1), ProtocolFeatures.CONFIGURE_MEM_SLOTS, When.ANY, Answer.ACK),
  // A descriptor is one too many, but some front-ends pass one: it is closed.
  REM_MEM_REG(
      38,
      exactly(SLOT_BYTES),
      fds(0, 1),
      ProtocolFeatures.CONFIGURE_MEM_SLOTS,
      When.ANY,
      Answer.ACK);

  /** In which state a request may come. */
  enum When {
    ANY,
    /** Its first field names a ring that there is. */
    RING,
    /** Likewise, and the ring is stopped. */
    RING_STOPPED,
    /** No ring runs. */
    ALL_STOPPED
  }

  /** How a request is answered. */
  enum Answer {
    /** With a u64, zero for success, where NEED_REPLY asks for it. */
    ACK,
    /** With a payload of its own, always. */
    BODY
  }

  private record Span(int least, int most) {}

  private static final Request[] BY_NUMBER = new Request[39];

  static {
    for (Request request : values()) {
      BY_NUMBER[request.number] = request;
    }
  }

  private final int number;
  private final Span payload;
  private final Span fds;
  private final long needs;
  private final When when;
  private final Answer answer;

  Request(int number, Span payload, Span fds, long needs, When when, Answer answer) {
    this.number = number;
    this.payload = payload;
    this.fds = fds;
    this.needs = needs;
    this.when = when;
    this.answer = answer;
  }

  private static Span none() {
    return exactly(0);
  }

  private static Span exactly(int bytes) {
    return new Span(bytes, bytes);
  }

  private static Span between(int least, int most) {
    return new Span(least, most);
  }

  private static Span fds(int count) {
    return new Span(count, count);
  }

  private static Span fds(int least, int most) {
    return new Span(least, most);
  }

  /** The request of this number; null if it is not served. */
  static Request of(int number) {
    return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
  }

  int number() {
    return number;
  }

  /** The protocol feature that has to be negotiated; 0 for none. */
  long needs() {
    return needs;
  }

  When when() {
    return when;
  }

  Answer answer() {
    return answer;
  }

  boolean takesPayload(int bytes) {
    return bytes >= payload.least && bytes <= payload.most;
  }

  boolean takesFds(int count) {
    return count >= fds.least && count <= fds.most;
  }

  /** How long the payload is, for who sent another one. */
  String payloadText() {
    return text(payload) + " bytes";
  }

  String fdsText() {
    return text(fds) + (fds.most == 1 ? " descriptor" : " descriptors");
  }

  private static String text(Span span) {
    return span.least == span.most ? "" + span.least : span.least + " to " + span.most;
  }
}
