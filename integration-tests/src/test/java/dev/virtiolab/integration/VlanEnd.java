package dev.virtiolab.integration;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A program of its own, for the two ends of a path: it sends and receives Ethernet frames of VLAN
 * {@value #VLAN}, by a packet socket on the one interface of its network namespace. So it needs no
 * VLAN support of the kernel, which takes the tag off what it hands to a packet socket all the same
 * and lets a tagged frame be 4 bytes longer than its interface's MTU has it.
 *
 * <pre>
 *   destination 6 | source 6 | 8100 0007 | 88b5 | number 4 | bytes that follow from the number
 * </pre>
 */
final class VlanEnd {
  static final int VLAN = 7;
  static final int TAG_BYTES = 4;

  /** For experiments: IEEE 802, 9.2.3. */
  private static final short TYPE_EXPERIMENTAL = (short) 0x88b5;

  private static final short TYPE_VLAN = (short) 0x8100;
  private static final short TYPE_ARP = 0x0806;
  private static final short TYPE_IPV4 = 0x0800;
  private static final int HEADER_BYTES = 14;
  private static final int NUMBER_BYTES = 4;
  private static final int LAST = -1;
  private static final int TRIES = 30;

  // linux/socket.h, linux/if_ether.h, linux/if_packet.h
  private static final int AF_PACKET = 17;
  private static final int SOCK_RAW = 3;
  private static final short ETH_P_ALL = 3;
  private static final int SOL_SOCKET = 1;
  private static final int SO_RCVTIMEO = 20;

  /** A try takes this long, and a server waits for so many. */
  private static final long TIMEOUT_SECONDS = 1;

  /** Of libc; throws where errno is set. */
  interface C extends Library {
    int socket(int domain, int type, int protocol) throws LastErrorException;

    int bind(int fd, byte[] address, int length) throws LastErrorException;

    int setsockopt(int fd, int level, int option, byte[] value, int length)
        throws LastErrorException;

    NativeLong send(int fd, byte[] bytes, NativeLong length, int flags) throws LastErrorException;

    /** -1 where nothing came in time. */
    NativeLong recv(int fd, byte[] bytes, NativeLong length, int flags);
  }

  private final C c = Native.load("c", C.class);
  private final int fd;
  private final byte[] own;
  private final byte[] received = new byte[65_536];

  private VlanEnd() throws Exception {
    NetworkInterface only =
        NetworkInterface.networkInterfaces()
            .filter(each -> !each.getName().equals("lo"))
            .findFirst()
            .orElseThrow();
    own = only.getHardwareAddress();
    short everything = Short.reverseBytes(ETH_P_ALL);
    fd = c.socket(AF_PACKET, SOCK_RAW, everything & 0xffff);
    ByteBuffer address = ByteBuffer.allocate(20).order(ByteOrder.nativeOrder());
    address.putShort((short) AF_PACKET).putShort(everything).putInt(only.getIndex());
    c.bind(fd, address.array(), address.capacity());
    ByteBuffer time = ByteBuffer.allocate(16).order(ByteOrder.nativeOrder());
    c.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, time.putLong(TIMEOUT_SECONDS).array(), 16);
  }

  /**
   * {@code server}, which sends back what it receives, or {@code MAC LENGTH...} of a server and of
   * the frames to send there, tag included, each of which has to come back, or {@code answer
   * ADDRESS}, which has that IPv4 address in the VLAN and answers ARP and pings until killed.
   */
  public static void main(String[] arguments) throws Exception {
    VlanEnd end = new VlanEnd();
    if (arguments[0].equals("server")) {
      end.serve();
      return;
    }
    if (arguments[0].equals("answer")) {
      end.answer(InetAddress.getByName(arguments[1]).getAddress());
      return;
    }
    byte[] server = new byte[6];
    for (int i = 0; i < server.length; i++) {
      server[i] = (byte) Integer.parseInt(arguments[0].split(":")[i], 16);
    }
    for (int number = 1; number < arguments.length; number++) {
      if (!end.cameBack(server, number, Integer.parseInt(arguments[number]))) {
        System.out.println("lost: " + arguments[number] + " bytes");
        return;
      }
    }
    end.send(server, LAST, HEADER_BYTES + TAG_BYTES + NUMBER_BYTES);
    System.out.println("all came back");
  }

  private void serve() {
    for (int quiet = 0; quiet < TRIES; ) {
      int length = receive();
      if (length == 0) {
        quiet++;
        continue;
      }
      quiet = 0;
      int number = ByteBuffer.wrap(received).getInt(HEADER_BYTES);
      if (number == LAST) {
        return;
      }
      if (isWhole(number, length)) {
        send(Arrays.copyOfRange(received, 6, 12), number, length + TAG_BYTES);
      }
    }
  }

  private void answer(byte[] address) {
    while (true) {
      int length = c.recv(fd, received, new NativeLong(received.length), 0).intValue();
      ByteBuffer frame = ByteBuffer.wrap(received);
      boolean fromHere = length < HEADER_BYTES || Arrays.equals(received, 6, 12, own, 0, 6);
      if (fromHere) {
        continue;
      }
      if (frame.getShort(12) == TYPE_ARP && frame.getShort(20) == 1 && isAt(38, address)) {
        // RFC 826: a reply, by who was asked for, to who asked.
        frame.putShort(20, (short) 2).put(32, received, 22, 10);
        frame.put(22, own).put(28, address);
        sendBack(length);
      } else if (frame.getShort(12) == TYPE_IPV4 && received[34] == 8 && isAt(30, address)) {
        // RFC 792: type 8 becomes 0, and the checksum in ones' complement greater by as much.
        int sum = (frame.getShort(36) & 0xffff) + 0x800;
        frame.put(34, (byte) 0).putShort(36, (short) ((sum & 0xffff) + (sum >>> 16)));
        frame.put(30, received, 26, 4).put(26, address);
        sendBack(length);
      }
    }
  }

  private boolean isAt(int offset, byte[] address) {
    return Arrays.equals(received, offset, offset + address.length, address, 0, address.length);
  }

  private void sendBack(int length) {
    sendTagged(Arrays.copyOfRange(received, 6, 12), received, length);
  }

  private boolean cameBack(byte[] server, int number, int length) {
    for (int tries = 0; tries < TRIES; tries++) {
      send(server, number, length);
      int got = receive();
      if (got == length - TAG_BYTES && isWhole(number, got)) {
        return true;
      }
    }
    return false;
  }

  private boolean isWhole(int number, int length) {
    int from = HEADER_BYTES;
    return Arrays.equals(payload(number, length), from, length, received, from, length);
  }

  /** A frame without its tag: what a packet socket gets to see. */
  private static byte[] payload(int number, int length) {
    byte[] frame = new byte[length];
    for (int i = HEADER_BYTES + NUMBER_BYTES; i < length; i++) {
      frame[i] = (byte) (31 * i + number);
    }
    ByteBuffer.wrap(frame).putShort(12, TYPE_EXPERIMENTAL).putInt(HEADER_BYTES, number);
    return frame;
  }

  private void send(byte[] to, int number, int length) {
    sendTagged(to, payload(number, length - TAG_BYTES), length - TAG_BYTES);
  }

  private void sendTagged(byte[] to, byte[] plain, int length) {
    ByteBuffer tagged = ByteBuffer.allocate(length + TAG_BYTES);
    tagged.put(to).put(own).putShort(TYPE_VLAN).putShort((short) VLAN);
    tagged.put(plain, 12, length - 12);
    c.send(fd, tagged.array(), new NativeLong(length + TAG_BYTES), 0);
  }

  /** The length of the next frame that is for us and of ours, or 0. */
  private int receive() {
    long start = System.nanoTime();
    while (System.nanoTime() - start < TIMEOUT_SECONDS * 1_000_000_000) {
      int length = c.recv(fd, received, new NativeLong(received.length), 0).intValue();
      if (length >= HEADER_BYTES + NUMBER_BYTES
          && Arrays.equals(received, 0, 6, own, 0, 6)
          && ByteBuffer.wrap(received).getShort(12) == TYPE_EXPERIMENTAL) {
        return length;
      }
    }
    return 0;
  }
}
