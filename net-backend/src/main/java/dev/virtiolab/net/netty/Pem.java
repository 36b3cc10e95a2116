package dev.virtiolab.net.netty;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Certificates and private keys as text (RFC 7468). A key may be in PKCS #8, which Java reads, or
 * in the older forms that certtool and openssl write, for RSA (RFC 8017, A.1.2) and for elliptic
 * curves (RFC 5915), which are wrapped into one of PKCS #8 (RFC 5208, 5) here.
 */
final class Pem {
  private static final Pattern BLOCK =
      Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----");

  private static final byte[] VERSION_0 = HexFormat.of().parseHex("020100");

  /** rsaEncryption, 1.2.840.113549.1.1.1, with its parameter NULL. */
  private static final byte[] RSA = HexFormat.of().parseHex("300d06092a864886f70d0101010500");

  /** id-ecPublicKey, 1.2.840.10045.2.1, for its parameter to follow. */
  private static final byte[] EC_PUBLIC_KEY = HexFormat.of().parseHex("06072a8648ce3d0201");

  private static final int INTEGER = 0x02;
  private static final int OCTET_STRING = 0x04;
  private static final int SEQUENCE = 0x30;

  /** [0], constructed: the parameters in an ECPrivateKey. */
  private static final int PARAMETERS = 0xa0;

  private static final List<String> ALGORITHMS = List.of("RSA", "EC", "EdDSA");

  private Pem() {}

  /** Every certificate in {@code text}, in its order. */
  static List<X509Certificate> certificates(String text) throws GeneralSecurityException {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    List<X509Certificate> found = new ArrayList<>();
    Matcher block = BLOCK.matcher(text);
    while (block.find()) {
      if (block.group(1).equals("CERTIFICATE")) {
        found.add(
            (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(bytes(block))));
      }
    }
    return found;
  }

  /** The first private key in {@code text}. */
  static PrivateKey privateKey(String text) throws GeneralSecurityException {
    Matcher block = BLOCK.matcher(text);
    while (block.find()) {
      switch (block.group(1)) {
        case "PRIVATE KEY" -> {
          return fromPkcs8(bytes(block));
        }
        case "RSA PRIVATE KEY" -> {
          refuseEncrypted(block);
          return fromPkcs8(pkcs8(RSA, bytes(block)));
        }
        case "EC PRIVATE KEY" -> {
          refuseEncrypted(block);
          byte[] key = bytes(block);
          return fromPkcs8(pkcs8(der(SEQUENCE, EC_PUBLIC_KEY, curve(key)), key));
        }
        case "ENCRYPTED PRIVATE KEY" -> throw encrypted();
        default -> {
          // EC PARAMETERS, or a certificate in the same file.
        }
      }
    }
    throw new InvalidKeyException("there is none in it");
  }

  private static void refuseEncrypted(Matcher block) throws InvalidKeyException {
    if (block.group(2).contains("ENCRYPTED")) {
      throw encrypted();
    }
  }

  private static InvalidKeyException encrypted() {
    return new InvalidKeyException("it is encrypted, and there is nobody to ask for the password");
  }

  private static byte[] bytes(Matcher block) {
    return Base64.getMimeDecoder().decode(block.group(2));
  }

  private static PrivateKey fromPkcs8(byte[] key) throws GeneralSecurityException {
    InvalidKeySpecException refusal = null;
    for (String algorithm : ALGORITHMS) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(key));
      } catch (InvalidKeySpecException e) {
        refusal = e;
      }
    }
    throw refusal;
  }

  private static byte[] pkcs8(byte[] algorithm, byte[] key) {
    return der(SEQUENCE, VERSION_0, algorithm, der(OCTET_STRING, key));
  }

  /** The parameters of an ECPrivateKey: the curve's identifier. */
  private static byte[] curve(byte[] key) throws InvalidKeyException {
    try {
      ByteBuffer fields = ByteBuffer.wrap(content(ByteBuffer.wrap(key), SEQUENCE));
      content(fields, INTEGER);
      content(fields, OCTET_STRING);
      return content(fields, PARAMETERS);
    } catch (RuntimeException e) {
      throw new InvalidKeyException("its curve is not named", e);
    }
  }

  private static byte[] content(ByteBuffer from, int tag) {
    if (Byte.toUnsignedInt(from.get()) != tag) {
      throw new IllegalArgumentException("tag");
    }
    int length = Byte.toUnsignedInt(from.get());
    if (length > 0x82) {
      throw new IllegalArgumentException("length");
    }
    if (length >= 0x80) {
      int more = length - 0x80;
      length = 0;
      for (int i = 0; i < more; i++) {
        length = length << 8 | Byte.toUnsignedInt(from.get());
      }
    }
    byte[] content = new byte[Math.min(length, from.remaining())];
    from.get(content);
    return content;
  }

  private static byte[] der(int tag, byte[]... parts) {
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      content.writeBytes(part);
    }
    int length = content.size();
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    whole.write(tag);
    if (length < 0x80) {
      whole.write(length);
    } else if (length < 0x100) {
      whole.write(0x81);
      whole.write(length);
    } else {
      whole.write(0x82);
      whole.write(length >>> 8);
      whole.write(length);
    }
    whole.writeBytes(content.toByteArray());
    return whole.toByteArray();
  }
}
