package dev.virtiolab.net.netty;

import io.netty.handler.ssl.NotSslRecordException;
import io.netty.handler.ssl.SslHandshakeTimeoutException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import javax.net.ssl.SSLException;

/** What the JDK's and Netty's exceptions say of a TLS connection, in one line for a person. */
final class TlsTrouble {
  private static final String ALERT = "Received fatal alert: ";

  private TlsTrouble() {}

  static boolean isOne(Throwable cause) {
    return find(cause, SSLException.class) != null;
  }

  static String explain(Throwable cause) {
    if (find(cause, NotSslRecordException.class) != null) {
      return "it does not speak TLS";
    }
    if (find(cause, SslHandshakeTimeoutException.class) != null) {
      return "it did not complete the TLS handshake in time";
    }
    if (find(cause, CertificateExpiredException.class) != null) {
      return "its certificate has expired";
    }
    if (find(cause, CertificateNotYetValidException.class) != null) {
      return "its certificate is not valid yet";
    }
    if (find(cause, CertPathBuilderException.class) != null
        || find(cause, CertPathValidatorException.class) != null) {
      return "its certificate is unknown: no certificate in " + TlsFolder.CA + " has signed it";
    }
    SSLException tls = find(cause, SSLException.class);
    String message = String.valueOf((tls == null ? cause : tls).getMessage());
    int alert = message.indexOf(ALERT);
    if (alert >= 0) {
      return "it refuses this end, with the TLS alert " + message.substring(alert + ALERT.length());
    }
    if (message.contains("Empty client certificate chain")) {
      return "it shows no certificate";
    }
    CertificateException certificate = find(cause, CertificateException.class);
    if (certificate != null) {
      return "its certificate is refused: " + certificate.getMessage();
    }
    return "TLS fails: " + message;
  }

  /** The first of its causes that is a {@code type}. */
  private static <T extends Throwable> T find(Throwable cause, Class<T> type) {
    Throwable at = cause;
    for (int depth = 0; at != null && depth < 16; depth++) {
      if (type.isInstance(at)) {
        return type.cast(at);
      }
      at = at.getCause();
    }
    return null;
  }
}
