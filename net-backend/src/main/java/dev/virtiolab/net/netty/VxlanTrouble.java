package dev.virtiolab.net.netty;

/** Why a datagram or a frame was dropped, or what befell it. Each is counted, and told once. */
public enum VxlanTrouble {
  /** In: sent by this end itself, or by one of its own stations and handed back by a peer. */
  LOOPED_BACK("looped-back"),
  /** In: from somebody who is no peer. */
  UNKNOWN_PEER("unknown-peer"),
  /** In: shorter than a VXLAN header and an Ethernet header. */
  TRUNCATED("truncated"),
  /** In: without the flag that makes the VNI valid (RFC 7348, 5). */
  BAD_FLAGS("bad-flags"),
  /** In: of another segment. */
  WRONG_VNI("wrong-vni"),
  /** In: from a station that cannot be: a group, or address 0. */
  BAD_SOURCE("bad-source"),
  /** In: from a station that is known beforehand to be at another peer. */
  SPOOFED_STATION("spoofed-station"),
  /** In: more frames for groups than one peer may send in a second. */
  STORM_IN("storm-in"),
  /** Out: more frames for everybody than go out in a second. */
  STORM_OUT("storm-out"),
  /** Out: a receiver that is not known, and nobody to ask. */
  NO_WAY("no-way"),
  /** Out: sent, in fragments, since the underlay's MTU is too small for it. */
  FRAGMENTED("fragmented"),
  /** Out: the kernel would not send it. */
  NOT_SENT("not-sent"),
  /** In: the kernel had an error to tell instead of a datagram. */
  NOT_RECEIVED("not-received");

  private final String word;

  VxlanTrouble(String word) {
    this.word = word;
  }

  /** In lower case and with dashes, for lists and metrics. */
  public String word() {
    return word;
  }
}
