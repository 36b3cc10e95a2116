package dev.virtiolab.firmware.stack.tcp;

import java.nio.ByteBuffer;
import java.security.InvalidKeyException;
import java.security.NoSuchAlgorithmException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * What nobody else is to guess: initial sequence numbers (RFC 6528) and local ports (RFC 6056,
 * 3.3.3 "Algorithm 3"). Both are a keyed hash of who talks to whom, and what moves on with time or
 * use. The same seed gives the same numbers at the same times.
 */
final class SequenceKeys {
  static final int FIRST_PORT = 49_152;
  static final int PORTS = 16_384;

  /** RFC 6528, section 3: M, a timer of 4 microseconds. */
  private static final long NANOS_PER_NUMBER = 4_000;

  private static final String HASH = "HmacSHA256";

  private final Mac mac;
  private int portsGiven;

  SequenceKeys(long seed) {
    try {
      mac = Mac.getInstance(HASH);
      mac.init(new SecretKeySpec(ByteBuffer.allocate(Long.BYTES).putLong(seed).array(), HASH));
    } catch (NoSuchAlgorithmException | InvalidKeyException e) {
      throw new IllegalStateException("every Java has " + HASH, e);
    }
  }

  int initialSequence(int localAddress, TcpPeer peer, long nowNanos) {
    return (int) (nowNanos / NANOS_PER_NUMBER)
        + hash(localAddress, peer.localPort(), peer.address(), peer.port());
  }

  /** The port to look at first for one that is free. */
  int firstPort(int localAddress, int address, int port) {
    int offset = hash(localAddress, 0, address, port) + portsGiven++;
    return FIRST_PORT + Math.floorMod(offset, PORTS);
  }

  private int hash(int localAddress, int localPort, int address, int port) {
    ByteBuffer who =
        ByteBuffer.allocate(4 * Integer.BYTES)
            .putInt(localAddress)
            .putInt(localPort)
            .putInt(address)
            .putInt(port);
    return ByteBuffer.wrap(mac.doFinal(who.array())).getInt();
  }
}
