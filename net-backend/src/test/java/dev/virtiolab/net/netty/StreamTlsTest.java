package dev.virtiolab.net.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.fixture.TestCertificates;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.security.cert.Certificate;
import java.security.interfaces.ECPrivateKey;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who is let in by whom, and that nobody else's frames come through. */
@Timeout(120)
class StreamTlsTest {
  private static final Duration SOON = Duration.ofSeconds(1);

  @TempDir Path folder;

  private final TestCertificates certificates = new TestCertificates("the authority");
  private final TestCertificates strangers = new TestCertificates();
  private final Queue<String> atServer = new ConcurrentLinkedQueue<>();
  private final Queue<String> atClient = new ConcurrentLinkedQueue<>();

  private Path serverFolder;

  @BeforeEach
  void makeServerFolder() {
    serverFolder = certificates.folder(folder.resolve("server"), true, certificates.issue());
  }

  private StreamBackend server(Path tls) {
    return server(tls, StreamConfig.DEFAULT_PATIENCE);
  }

  private StreamBackend server(Path tls, Duration patience) {
    StreamConfig config = StreamConfig.listen(Wire.anyPort()).withTls(tls).withPatience(patience);
    return StreamBackend.open(config, (trouble, line) -> atServer.add(trouble + " " + line));
  }

  private StreamBackend client(StreamBackend server, Path tls) {
    StreamConfig config =
        StreamConfig.connect(server.address()).withTls(tls).withReconnect(Duration.ZERO);
    return StreamBackend.open(config, (trouble, line) -> atClient.add(trouble + " " + line));
  }

  private Path clientFolder(TestCertificates.Identity own) {
    return certificates.folder(folder.resolve("client"), false, own);
  }

  @Test
  void framesCrossBothWays() {
    try (StreamBackend server = server(serverFolder);
        StreamBackend client = client(server, clientFolder(certificates.issue()))) {
      Wire.awaitLink(server, client);
      for (int length : new int[] {14, 1514, NetBackend.LARGEST_FRAME}) {
        Wire.send(client, Wire.frame(length, length));
        assertArrayEquals(Wire.frame(length, length), Wire.receive(server));
        Wire.send(server, Wire.frame(length + 1, length));
        assertArrayEquals(Wire.frame(length + 1, length), Wire.receive(client));
      }
    }
    assertTrue(atServer.isEmpty() && atClient.isEmpty(), () -> atServer + " " + atClient);
  }

  @Test
  void overAUnixSocketTheHostsNameDoesNotMatter() {
    StreamAddress address = new StreamAddress.Unix(folder.resolve("s"));
    try (StreamBackend server =
            StreamBackend.open(StreamConfig.listen(address).withTls(serverFolder));
        StreamBackend client = client(server, clientFolder(certificates.issue()))) {
      Wire.awaitLink(server, client);
      Wire.send(client, Wire.frame(1, 60));
      assertArrayEquals(Wire.frame(1, 60), Wire.receive(server));
    }
  }

  /** More than the rings hold, both ends slow by turns: nothing lost, nothing out of order. */
  @Test
  void aFullRingHoldsTheBytesBackAndLosesNone() throws InterruptedException {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    String hint = "-Dvirtiolab.seed=" + seed;
    int frames = 6000;
    try (StreamBackend server = server(serverFolder);
        StreamBackend client = client(server, clientFolder(certificates.issue()))) {
      Wire.awaitLink(server, client);
      Semaphore room = new Semaphore(0);
      client.onReady(room::release);
      Thread sender =
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    SplittableRandom random = new SplittableRandom(seed);
                    for (int i = 0; i < frames; i++) {
                      byte[] frame = Wire.frame(i, random.nextInt(14, 3000));
                      while (!Wire.tryCommit(client, frame)) {
                        client.flush();
                        room.acquireUninterruptibly();
                      }
                    }
                    client.flush();
                  });
      Wire.await("a full wire", () -> client.counters().refused() > 0);
      Semaphore awake = new Semaphore(0);
      server.onReady(awake::release);
      SplittableRandom random = new SplittableRandom(seed);
      for (int i = 0; i < frames; i++) {
        while (server.peek() == 0) {
          assertTrue(awake.tryAcquire(30, TimeUnit.SECONDS), hint + ": no wake-up, frame " + i);
        }
        assertArrayEquals(Wire.frame(i, random.nextInt(14, 3000)), Wire.receive(server), hint);
      }
      sender.join();
      assertEquals(0, server.peek(), hint);
    }
  }

  @Test
  void aPeerIsHeldBackByADeviceThatDoesNotReadAndIsNotTakenForStalled() {
    try (StreamBackend server = server(serverFolder, SOON);
        StreamBackend client = client(server, clientFolder(certificates.issue()))) {
      Wire.awaitLink(server, client);
      int[] sent = {0};
      long[] quietSince = {System.nanoTime()};
      // Until nothing moves for twice the patience: every buffer on the way is full.
      Wire.await(
          "a full wire",
          () -> {
            while (client.linkUp() && Wire.tryCommit(client, Wire.frame(sent[0], 60_001))) {
              sent[0]++;
              quietSince[0] = System.nanoTime();
            }
            client.flush();
            return System.nanoTime() - quietSince[0] > 2 * SOON.toNanos();
          });
      assertTrue(server.linkUp(), atServer::toString);
      for (int i = 0; i < sent[0]; i++) {
        assertArrayEquals(Wire.frame(i, 60_001), Wire.receive(server));
      }
    }
    assertTrue(atServer.isEmpty(), atServer::toString);
  }

  // Clients that are not let in.

  @Test
  void aClientWhoseCertificateHasExpiredIsNotLetIn() {
    notLetIn(clientFolder(certificates.issueExpired()), "expired");
  }

  @Test
  void aClientWhoseCertificateIsUnknownIsNotLetIn() {
    // It does not even show one that none of those whom the server names has signed.
    notLetIn(clientFolder(strangers.issue()), "shows no certificate");
  }

  @Test
  void aClientWhoseCertificateAnImpostorSignedIsNotLetIn() {
    TestCertificates impostors = new TestCertificates("the authority");
    notLetIn(clientFolder(impostors.issue()), "unknown");
  }

  @Test
  void aClientWithoutCertificateIsNotLetIn() {
    notLetIn(clientFolder(null), "shows no certificate");
  }

  private void notLetIn(Path tls, String serverSays) {
    try (StreamBackend server = server(serverFolder);
        StreamBackend client = client(server, tls)) {
      // With TLS 1.3 a client may send before the server has looked at its certificate.
      Wire.await(
          "the client's trouble",
          () -> {
            if (client.linkUp() && Wire.tryCommit(client, Wire.frame(1, 60))) {
              client.flush();
            }
            return client.count(StreamTrouble.TLS) > 0;
          });
      Wire.await("the server's word", () -> server.count(StreamTrouble.TLS) == 1);
      assertFalse(server.linkUp());
      assertEquals(0, server.connects());
      assertEquals(0, server.peek());
      assertEquals(1, atServer.size(), atServer::toString);
      assertTrue(firstLine(atServer).contains(serverSays), atServer::toString);
      // The alert, or where that is lost with the connection, the guess.
      assertTrue(
          firstLine(atClient).contains("it refuses this end")
              || firstLine(atClient).contains("refuses this end's certificate"),
          atClient::toString);
      assertTrue(atServer.stream().allMatch(line -> line.lines().count() == 1));

      Path good = certificates.folder(folder.resolve("good"), false, certificates.issue());
      try (StreamBackend next = client(server, good)) {
        Wire.awaitLink(server, next);
      }
    }
  }

  @Test
  void aClientThatSpeaksNoTlsIsNotLetIn() throws IOException {
    try (StreamBackend server = server(serverFolder);
        SocketChannel peer = Wire.connect(server)) {
      Wire.write(peer, Wire.framed(Wire.frame(1, 60)));
      Wire.await("the trouble", () -> server.count(StreamTrouble.TLS) == 1);
      assertTrue(firstLine(atServer).contains("does not speak TLS"), atServer::toString);
      assertEquals(0, server.connects());
      assertEquals(0, server.peek());
    }
  }

  @Test
  void aClientThatConnectsAndSaysNothingGivesItsPlaceBack() throws IOException {
    try (StreamBackend server = server(serverFolder, SOON);
        SocketChannel peer = Wire.connect(server)) {
      Wire.assertEnds(peer);
      assertTrue(firstLine(atServer).contains("in time"), atServer::toString);
    }
  }

  @Test
  void aHandshakeThatDripsGivesItsPlaceBack() throws IOException {
    try (StreamBackend server = server(serverFolder, SOON);
        SocketChannel peer = Wire.connect(server)) {
      // A handshake record of 16 KiB, byte by byte.
      drip(peer, HexFormat.of().parseHex("1603014000"), () -> server.count(StreamTrouble.TLS) > 0);
      assertTrue(atServer.peek().contains("in time"), atServer::toString);
      assertAnotherIsServed(server);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"17", "17030340", "1703034000", "1703034000abcdef"})
  void aPartOfARecordAndSilenceIsNotWaitedForForEver(String part) throws Exception {
    try (StreamBackend server = server(serverFolder, SOON);
        SocketChannel tcp = Wire.connect(server)) {
      Socket peer = handshaken(tcp.socket());
      Wire.awaitLink(server);
      peer.getOutputStream().write(Wire.framed(Wire.frame(1, 60)).array());
      assertArrayEquals(Wire.frame(1, 60), Wire.receive(server));
      Wire.write(tcp, ByteBuffer.wrap(HexFormat.of().parseHex(part)));
      Wire.await("the trouble", () -> server.count(StreamTrouble.STALLED) == 1);
      assertTrue(atServer.peek().contains("of a TLS record"), atServer::toString);
      assertAnotherIsServed(server);
    }
  }

  @Test
  void aRecordThatDripsIsNotWaitedForEither() throws Exception {
    try (StreamBackend server = server(serverFolder, SOON);
        SocketChannel tcp = Wire.connect(server)) {
      handshaken(tcp.socket());
      Wire.awaitLink(server);
      drip(
          tcp,
          HexFormat.of().parseHex("1703034000"),
          () -> server.count(StreamTrouble.STALLED) > 0);
      assertAnotherIsServed(server);
    }
  }

  @Test
  void halfAFrameAndSilenceIsNotWaitedForBehindTlsEither() throws Exception {
    try (StreamBackend server = server(serverFolder, SOON);
        Socket peer = connectByTls(server, "TLSv1.3")) {
      peer.getOutputStream().write(Wire.framed(Wire.frame(1, 60)).array(), 0, 30);
      Wire.await("the trouble", () -> server.count(StreamTrouble.STALLED) == 1);
      assertTrue(atServer.peek().contains("of a frame"), atServer::toString);
      assertAnotherIsServed(server);
    }
  }

  @Test
  void silenceBetweenRecordsIsNoTrouble() throws Exception {
    try (StreamBackend server = server(serverFolder, SOON);
        Socket peer = connectByTls(server, "TLSv1.3")) {
      for (int i = 0; i < 2; i++) {
        peer.getOutputStream().write(Wire.framed(Wire.frame(i, 60)).array());
        assertArrayEquals(Wire.frame(i, 60), Wire.receive(server));
        long start = System.nanoTime();
        Wire.await(
            "more than the patience", () -> System.nanoTime() - start > SOON.toNanos() * 3 / 2);
        assertTrue(server.linkUp(), atServer::toString);
      }
    }
  }

  @Test
  void aPeerThatEndsTlsAndKeepsTheConnectionGivesItsPlaceBack() throws Exception {
    try (StreamBackend server = server(serverFolder, SOON);
        SSLSocket peer = (SSLSocket) connectByTls(server, "TLSv1.3")) {
      peer.startHandshake();
      Wire.awaitLink(server);
      peer.shutdownOutput(); // its close_notify, and nothing of TCP's
      Wire.await("the end", () -> !server.linkUp());
      assertAnotherIsServed(server);
    }
  }

  /** A byte every tenth of the patience, until {@code end}. */
  private static void drip(SocketChannel peer, byte[] first, BooleanSupplier end)
      throws IOException {
    Wire.write(peer, ByteBuffer.wrap(first));
    long[] next = {System.nanoTime()};
    Wire.await(
        "an end of patience",
        () -> {
          if (System.nanoTime() >= next[0]) {
            next[0] += SOON.toNanos() / 10;
            try {
              peer.write(ByteBuffer.allocate(1));
            } catch (IOException e) {
              // It is closed already.
            }
          }
          return end.getAsBoolean();
        });
  }

  private void assertAnotherIsServed(StreamBackend server) {
    Path good = certificates.folder(folder.resolve("another"), false, certificates.issue());
    try (StreamBackend next = client(server, good)) {
      Wire.awaitLink(next, server);
      Wire.send(next, Wire.frame(9, 60));
      assertArrayEquals(Wire.frame(9, 60), Wire.receive(server));
    }
  }

  @Test
  void frameLengthsAreCheckedBehindTlsToo() throws Exception {
    try (StreamBackend server = server(serverFolder);
        Socket peer = connectByTls(server, "TLSv1.3")) {
      byte[] good = Wire.frame(1, 60);
      ByteBuffer bytes = ByteBuffer.allocate(200).put(Wire.framed(good)).putInt(0);
      peer.getOutputStream().write(bytes.put(Wire.framed(good)).array(), 0, bytes.position());
      Wire.await("the trouble", () -> server.count(StreamTrouble.ZERO_LENGTH) == 1);
      Wire.await("the end", () -> !server.linkUp());
      assertArrayEquals(good, Wire.receive(server));
      assertEquals(0, server.peek());
    }
  }

  // Servers that are not believed.

  @Test
  void aServerWhoseCertificateIsUnknownExpiredOrAnothersIsNotBelieved() {
    Path other = strangers.folder(folder.resolve("other"), true, strangers.issue());
    notBelieved(other, "unknown");
    Path expired =
        certificates.folder(folder.resolve("expired"), true, certificates.issueExpired());
    notBelieved(expired, "expired");
  }

  /** The line is told after the trouble was counted. */
  private static String firstLine(Queue<String> lines) {
    Wire.await("a line", () -> !lines.isEmpty());
    return lines.peek();
  }

  private void notBelieved(Path tls, String clientSays) {
    atClient.clear();
    try (StreamBackend server = server(tls);
        StreamBackend client = client(server, clientFolder(certificates.issue()))) {
      Wire.await("the trouble", () -> client.count(StreamTrouble.TLS) == 1);
      assertTrue(firstLine(atClient).contains(clientSays), atClient::toString);
      assertEquals(0, client.connects());
    }
  }

  @Test
  void aServerOfAnotherNameIsNotBelieved() {
    StreamConfig everywhere = StreamConfig.listen(new StreamAddress.Tcp("0.0.0.0", 0));
    try (StreamBackend server = StreamBackend.open(everywhere.withTls(serverFolder))) {
      // 127.0.0.2 leads to this machine as well, but the certificate does not name it.
      int port = ((StreamAddress.Tcp) server.address()).port();
      StreamConfig config =
          StreamConfig.connect(new StreamAddress.Tcp("127.0.0.2", port))
              .withTls(clientFolder(certificates.issue()))
              .withReconnect(Duration.ZERO);
      try (StreamBackend client =
          StreamBackend.open(config, (trouble, line) -> atClient.add(line))) {
        Wire.await("the trouble", () -> client.count(StreamTrouble.TLS) == 1);
        assertTrue(firstLine(atClient).contains("127.0.0.2"), atClient::toString);
        assertEquals(0, client.connects());
      }
    }
  }

  @Test
  void aServerThatSpeaksNoTlsIsNotBelieved() {
    try (StreamBackend server =
            StreamBackend.open(
                StreamConfig.listen(Wire.anyPort()),
                (trouble, line) -> atServer.add(trouble + " " + line));
        StreamBackend client = client(server, clientFolder(certificates.issue()))) {
      Wire.await("the client's word", () -> client.count(StreamTrouble.TLS) == 1);
      Wire.await("the server's word", () -> server.count(StreamTrouble.GIANT) == 1);
      assertTrue(firstLine(atServer).contains("it speaks TLS"), atServer::toString);
      assertEquals(0, server.peek());
    }
  }

  // Versions and files.

  @ParameterizedTest
  @ValueSource(strings = {"TLSv1.2", "TLSv1.3"})
  void eitherVersionOfTlsServes(String version) throws Exception {
    try (StreamBackend server = server(serverFolder);
        Socket socket = connectByTls(server, version)) {
      socket.getOutputStream().write(Wire.framed(Wire.frame(1, 60)).array());
      assertArrayEquals(Wire.frame(1, 60), Wire.receive(server));
      Wire.send(server, Wire.frame(2, 60));
      byte[] back = socket.getInputStream().readNBytes(64);
      assertArrayEquals(Wire.framed(Wire.frame(2, 60)).array(), back);
    }
  }

  /** TLS on a connection that the test can also write to as it is. */
  private Socket handshaken(Socket tcp) throws Exception {
    SSLSocket socket =
        (SSLSocket) clientContext().getSocketFactory().createSocket(tcp, "127.0.0.1", 0, false);
    socket.startHandshake();
    return socket;
  }

  /** A client by the JDK's own sockets. */
  private Socket connectByTls(StreamBackend server, String version) throws Exception {
    int port = ((StreamAddress.Tcp) server.address()).port();
    SSLSocket socket =
        (SSLSocket) clientContext().getSocketFactory().createSocket("127.0.0.1", port);
    socket.setEnabledProtocols(new String[] {version});
    return socket;
  }

  private SSLContext clientContext() throws Exception {
    TestCertificates.Identity own = certificates.issue();
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setCertificateEntry("ca", certificates.authority().certificate());
    Certificate[] chain = {own.certificate()};
    store.setKeyEntry("own", own.keys().getPrivate(), new char[0], chain);
    KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
    keys.init(store, new char[0]);
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), new SecureRandom());
    return context;
  }

  @Test
  void aKeyInTheFormThatCerttoolWritesIsRead() throws Exception {
    // ECPrivateKey without its curve in PKCS #8, with it alone: RFC 5915, 3.
    TestCertificates.Identity own = certificates.issue();
    byte[] pkcs8 = own.keys().getPrivate().getEncoded();
    // 30 41 02 01 00 30 13 (19 bytes) 04 27 | 30 25 02 01 01 04 20 (32 bytes)
    byte[] scalar = Arrays.copyOfRange(pkcs8, pkcs8.length - 32, pkcs8.length);
    ByteBuffer sec1 =
        ByteBuffer.allocate(51)
            .put(HexFormat.of().parseHex("30310201010420"))
            .put(scalar)
            .put(HexFormat.of().parseHex("a00a06082a8648ce3d030107"));
    String pem = TestCertificates.pem("EC PRIVATE KEY", sec1.array());
    assertEquals(
        ((ECPrivateKey) own.keys().getPrivate()).getS(),
        ((ECPrivateKey) Pem.privateKey(pem)).getS());

    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    byte[] rsa = generator.generateKeyPair().getPrivate().getEncoded();
    // 30 82 xx xx 02 01 00 30 0d (13 bytes) 04 82 xx xx, then RSAPrivateKey.
    byte[] pkcs1 = Arrays.copyOfRange(rsa, 26, rsa.length);
    pem = "some words before\n" + TestCertificates.pem("RSA PRIVATE KEY", pkcs1);
    assertArrayEquals(rsa, Pem.privateKey(pem).getEncoded());
  }

  @ParameterizedTest
  @ValueSource(strings = {"ca-cert.pem", "server-cert.pem", "server-key.pem"})
  void aFileThatIsMissingOrIsNoneIsNamedInOneLine(String file) throws IOException {
    for (String content :
        new String[] {
          null,
          "",
          "poetry",
          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
          "-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n",
          "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
        }) {
      makeServerFolder();
      if (content == null) {
        Files.delete(serverFolder.resolve(file));
      } else {
        Files.writeString(serverFolder.resolve(file), content);
      }
      BackendOpenException e =
          assertThrows(BackendOpenException.class, () -> server(serverFolder), content);
      assertTrue(e.getMessage().contains(file), e::getMessage);
      assertEquals(1, e.getMessage().lines().count(), e::getMessage);
    }
  }
}
