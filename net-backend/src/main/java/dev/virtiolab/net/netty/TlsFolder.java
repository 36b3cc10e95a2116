package dev.virtiolab.net.netty;

import dev.virtiolab.net.BackendOpenException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

/**
 * A folder of PEM files, named as those of QEMU's {@code tls-creds-x509}, so that one folder serves
 * both: {@value #CA}, {@value #SERVER_CERT}, {@value #SERVER_KEY}, {@value #CLIENT_CERT}, {@value
 * #CLIENT_KEY}.
 *
 * <p>Either end shows its certificate and asks for the other's, which a certificate in {@value #CA}
 * must have signed. A client of a TCP server moreover asks that the certificate be for the host
 * that it connected to. A client without certificate is let try: the server will say what it
 * thinks. TLS 1.3 or 1.2, by the JDK.
 */
final class TlsFolder {
  static final String CA = "ca-cert.pem";
  private static final String SERVER_CERT = "server-cert.pem";
  private static final String SERVER_KEY = "server-key.pem";
  private static final String CLIENT_CERT = "client-cert.pem";
  private static final String CLIENT_KEY = "client-key.pem";

  private static final String[] PROTOCOLS = {"TLSv1.3", "TLSv1.2"};
  private static final char[] NO_PASSWORD = {};

  /** Makes the engine of each connection. */
  record Engines(SSLContext context, boolean server) {
    SSLEngine newEngine(StreamAddress address) {
      SSLEngine engine =
          address instanceof StreamAddress.Tcp(var host, var port)
              ? context.createSSLEngine(host, port)
              : context.createSSLEngine();
      engine.setUseClientMode(!server);
      SSLParameters parameters = engine.getSSLParameters();
      parameters.setProtocols(PROTOCOLS);
      if (server) {
        parameters.setNeedClientAuth(true);
      } else if (address instanceof StreamAddress.Tcp) {
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
      }
      engine.setSSLParameters(parameters);
      return engine;
    }
  }

  private final String wire;
  private final Path folder;

  private TlsFolder(String wire, Path folder) {
    this.wire = wire;
    this.folder = folder;
  }

  /**
   * Reads what this end needs.
   *
   * @param wire what is to be opened, for the message
   * @throws BackendOpenException if a file is missing, or is not what its name says
   */
  static Engines read(String wire, Path folder, boolean server) {
    return new TlsFolder(wire, folder).engines(server);
  }

  private Engines engines(boolean server) {
    String certificateFile = server ? SERVER_CERT : CLIENT_CERT;
    String keyFile = server ? SERVER_KEY : CLIENT_KEY;
    try {
      KeyStore trusted = emptyStore();
      for (X509Certificate certificate : certificates(CA)) {
        trusted.setCertificateEntry("ca" + trusted.size(), certificate);
      }
      TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
      trust.init(trusted);

      KeyStore own = emptyStore();
      if (server
          || Files.exists(folder.resolve(certificateFile))
          || Files.exists(folder.resolve(keyFile))) {
        List<X509Certificate> chain = certificates(certificateFile);
        PrivateKey key = key(keyFile);
        own.setKeyEntry("own", key, NO_PASSWORD, chain.toArray(X509Certificate[]::new));
      }
      KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
      keys.init(own, NO_PASSWORD);

      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
      return new Engines(context, server);
    } catch (GeneralSecurityException | IOException e) {
      throw refuse("TLS cannot be set up: " + e.getMessage(), e);
    }
  }

  private List<X509Certificate> certificates(String file) {
    try {
      List<X509Certificate> found = Pem.certificates(text(file));
      if (found.isEmpty()) {
        throw refuse(folder.resolve(file) + " holds no certificate", null);
      }
      return found;
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      throw refuse(folder.resolve(file) + " is no certificate: " + e.getMessage(), e);
    }
  }

  private PrivateKey key(String file) {
    try {
      return Pem.privateKey(text(file));
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      throw refuse(folder.resolve(file) + " is no private key: " + e.getMessage(), e);
    }
  }

  private String text(String file) {
    try {
      return Files.readString(folder.resolve(file), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      String what = e instanceof NoSuchFileException ? "no such file" : e.toString();
      throw refuse("cannot read " + folder.resolve(file) + ": " + what, e);
    }
  }

  private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    return store;
  }

  private BackendOpenException refuse(String reason, Exception cause) {
    return new BackendOpenException(wire, reason, cause);
  }
}
