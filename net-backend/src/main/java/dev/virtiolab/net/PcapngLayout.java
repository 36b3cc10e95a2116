package dev.virtiolab.net;

/**
 * Blocks of a pcapng file, little-endian: IETF draft-ietf-opsawg-pcapng, section 3 "General File
 * Structure" and 4 "Block Definition". Every block begins with its type and total length, ends with
 * its total length again, and is padded to 4 bytes.
 */
final class PcapngLayout {
  // 3.1 "General Block Structure"
  static final int BLOCK_HEADER_BYTES = 8;
  static final int BLOCK_TRAILER_BYTES = 4;

  // 3.5 "Options"
  static final int OPTION_HEADER_BYTES = 4;
  static final short OPT_ENDOFOPT = 0;
  static final short OPT_COMMENT = 1;

  // 4.1 "Section Header Block"
  static final int SECTION_HEADER = 0x0A0D0D0A;
  static final int BYTE_ORDER_MAGIC = 0x1A2B3C4D;
  static final short MAJOR_VERSION = 1;
  static final short MINOR_VERSION = 0;
  static final long SECTION_LENGTH_UNKNOWN = -1;
  static final short SHB_USERAPPL = 4;

  // 4.2 "Interface Description Block"
  static final int INTERFACE_DESCRIPTION = 1;
  static final short LINKTYPE_ETHERNET = 1;
  static final int SNAPLEN_NO_LIMIT = 0;
  static final short IF_NAME = 2;
  static final short IF_TSRESOL = 9;

  /** The exponent of ten, negated. */
  static final byte NANOSECONDS = 9;

  // 4.3 "Enhanced Packet Block"
  static final int ENHANCED_PACKET = 6;
  static final int PACKET_FIELDS_BYTES = 20;
  static final short EPB_FLAGS = 2;
  static final int INBOUND = 1;
  static final int OUTBOUND = 2;

  private PcapngLayout() {}
}
