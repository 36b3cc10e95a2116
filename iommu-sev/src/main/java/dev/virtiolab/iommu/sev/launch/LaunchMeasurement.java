package dev.virtiolab.iommu.sev.launch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * What LAUNCH_MEASURE returns (SEV API, 6.5 LAUNCH_MEASURE).
 *
 * @param measure the HMAC, 32 bytes
 * @param nonce MNONCE, which the security processor drew for it, 16 bytes
 */
public record LaunchMeasurement(byte[] measure, byte[] nonce) {
  /** Bytes in the HMAC. */
  public static final int MEASURE_BYTES = 32;

  /** Bytes in the nonce. */
  public static final int NONCE_BYTES = 16;

  /** First byte of what is measured: tells a launch measurement from the API's other HMACs. */
  private static final byte CONTEXT = 0x04;

  public LaunchMeasurement {
    if (measure.length != MEASURE_BYTES || nonce.length != NONCE_BYTES) {
      throw new IllegalArgumentException(
          "measure has %d bytes and nonce %d".formatted(measure.length, nonce.length));
    }
    measure = measure.clone();
    nonce = nonce.clone();
  }

  /**
   * HMAC-SHA-256 under TIK of: 0x04, API_MAJOR, API_MINOR, BUILD_ID, POLICY as 32 bits
   * little-endian, the launch digest, MNONCE.
   *
   * @param digest SHA-256 over all that was loaded, 32 bytes
   */
  static LaunchMeasurement of(SevApi api, LaunchSession session, byte[] digest, byte[] nonce) {
    ByteBuffer fields =
        ByteBuffer.allocate(1 + 3 + Integer.BYTES + digest.length + nonce.length)
            .order(ByteOrder.LITTLE_ENDIAN);
    fields.put(CONTEXT);
    fields.put((byte) api.major()).put((byte) api.minor()).put((byte) api.build());
    fields.putInt(session.policy()).put(digest).put(nonce);
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(session.transportIntegrityKey(), "HmacSHA256"));
      return new LaunchMeasurement(mac.doFinal(fields.array()), nonce);
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every Java platform has HmacSHA256", e);
    }
  }

  /** A copy. */
  @Override
  public byte[] measure() {
    return measure.clone();
  }

  /** A copy. */
  @Override
  public byte[] nonce() {
    return nonce.clone();
  }

  /** Compares in constant time. */
  boolean matches(LaunchMeasurement other) {
    return MessageDigest.isEqual(measure, other.measure)
        && MessageDigest.isEqual(nonce, other.nonce);
  }

  /** {@code measure=... nonce=...}, in hexadecimal. */
  @Override
  public String toString() {
    HexFormat hex = HexFormat.of();
    return "measure=%s nonce=%s".formatted(hex.formatHex(measure), hex.formatHex(nonce));
  }
}
