package dev.virtiolab.firmware.stack;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** Frames made by hand from the RFCs' pictures, without the code under test. */
final class Packets {
  static final long GUEST_MAC = 0x525400123456L;
  static final long PEER_MAC = 0x020000000001L;
  static final int GUEST = 0x0a000002;
  static final int PEER = 0x0a000001;
  static final long BROADCAST = 0xffffffffffffL;

  private Packets() {}

  static byte[] hex(String text) {
    return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
  }

  static byte[] ethernet(long destination, long source, int type, byte[] payload) {
    return ByteBuffer.allocate(14 + payload.length)
        .putShort((short) (destination >>> 32))
        .putInt((int) destination)
        .putShort((short) (source >>> 32))
        .putInt((int) source)
        .putShort((short) type)
        .put(payload)
        .array();
  }

  static byte[] arp(
      long destination, int operation, long senderMac, int sender, long targetMac, int target) {
    byte[] arp =
        ByteBuffer.allocate(28)
            .putShort((short) 1)
            .putShort((short) 0x0800)
            .put((byte) 6)
            .put((byte) 4)
            .putShort((short) operation)
            .putShort((short) (senderMac >>> 32))
            .putInt((int) senderMac)
            .putInt(sender)
            .putShort((short) (targetMac >>> 32))
            .putInt((int) targetMac)
            .putInt(target)
            .array();
    return ethernet(destination, senderMac, 0x0806, arp);
  }

  /** The peer asks who has the guest's address. */
  static byte[] arpRequest() {
    return arp(BROADCAST, 1, PEER_MAC, PEER, 0, GUEST);
  }

  /** The peer says where it is. */
  static byte[] arpReply() {
    return arp(GUEST_MAC, 2, PEER_MAC, PEER, GUEST_MAC, GUEST);
  }

  static byte[] icmpEcho(int type, int identifier, int sequence, byte[] data) {
    byte[] message =
        ByteBuffer.allocate(8 + data.length)
            .put((byte) type)
            .put((byte) 0)
            .putShort((short) 0)
            .putShort((short) identifier)
            .putShort((short) sequence)
            .put(data)
            .array();
    ByteBuffer.wrap(message).putShort(2, (short) slowChecksum(message));
    return message;
  }

  /** A packet; {@code offset} in bytes. */
  static byte[] ipv4(
      int source, int destination, int protocol, int id, int offset, boolean more, byte[] payload) {
    ByteBuffer packet =
        ByteBuffer.allocate(20 + payload.length)
            .put((byte) 0x45)
            .put((byte) 0)
            .putShort((short) (20 + payload.length))
            .putShort((short) id)
            .putShort((short) ((more ? 0x2000 : 0) | offset / 8))
            .put((byte) 64)
            .put((byte) protocol)
            .putShort((short) 0)
            .putInt(source)
            .putInt(destination);
    byte[] header = new byte[20];
    packet.get(0, header);
    packet.putShort(10, (short) slowChecksum(header));
    return packet.put(payload).array();
  }

  /** An IPv4 frame from the peer to the guest. */
  static byte[] toGuest(byte[] packet) {
    return ethernet(GUEST_MAC, PEER_MAC, 0x0800, packet);
  }

  /** The frames of an ICMP message from the peer to the guest, in order. */
  static List<byte[]> framesToGuest(byte[] message, int id) {
    return framesToGuest(message, id, 1480);
  }

  /** The same with so many bytes, a multiple of 8, in all but the last. */
  static List<byte[]> framesToGuest(byte[] message, int id, int fragment) {
    List<byte[]> frames = new ArrayList<>();
    int offset = 0;
    do {
      int bytes = Math.min(fragment, message.length - offset);
      byte[] part = new byte[bytes];
      System.arraycopy(message, offset, part, 0, bytes);
      boolean more = offset + bytes < message.length;
      frames.add(toGuest(ipv4(PEER, GUEST, 1, id, offset, more, part)));
      offset += bytes;
    } while (offset < message.length);
    return frames;
  }

  /** Checks each header, and puts the payloads of one datagram's packets together. */
  static byte[] datagram(List<byte[]> frames) {
    byte[] all = new byte[65_535];
    int end = 0;
    int length = -1;
    int id = -1;
    for (byte[] frame : frames) {
      ByteBuffer in = ByteBuffer.wrap(frame);
      expect(PEER_MAC, (in.getShort(0) & 0xffffL) << 32 | in.getInt(2) & 0xffffffffL);
      expect(GUEST_MAC, (in.getShort(6) & 0xffffL) << 32 | in.getInt(8) & 0xffffffffL);
      expect(0x0800, in.getShort(12) & 0xffff);
      expect(0x45, in.get(14));
      expect(frame.length - 14, in.getShort(16) & 0xffff);
      byte[] header = new byte[20];
      in.get(14, header);
      expect(0, slowChecksum(header));
      expect(GUEST, in.getInt(26));
      expect(PEER, in.getInt(30));
      expect(1, in.get(23));
      int flags = in.getShort(20) & 0xffff;
      int at = (flags & 0x1fff) * 8;
      expect(end, at);
      if (id >= 0) {
        expect(id, in.getShort(18) & 0xffff);
      }
      id = in.getShort(18) & 0xffff;
      in.get(34, all, at, frame.length - 34);
      end = at + frame.length - 34;
      if ((flags & 0x2000) == 0) {
        expect(-1, length);
        length = end;
      }
    }
    byte[] datagram = new byte[length];
    System.arraycopy(all, 0, datagram, 0, length);
    return datagram;
  }

  static byte[] data(int seed, int length) {
    byte[] data = new byte[length];
    for (int i = 0; i < length; i++) {
      data[i] = (byte) (seed + i * 13 + (i >> 8));
    }
    return data;
  }

  /** RFC 1071 word for word: add 16-bit words, the carry comes back, invert. */
  static int slowChecksum(byte[] bytes) {
    int sum = 0;
    for (int i = 0; i < bytes.length; i += 2) {
      int high = bytes[i] & 0xff;
      int low = i + 1 < bytes.length ? bytes[i + 1] & 0xff : 0;
      sum += high * 256 + low;
      if (sum > 0xffff) {
        sum -= 0xffff;
      }
    }
    return 0xffff - sum;
  }

  private static void expect(long wanted, long found) {
    if (wanted != found) {
      throw new AssertionError(
          "expected 0x" + Long.toHexString(wanted) + ", got 0x" + Long.toHexString(found));
    }
  }
}
