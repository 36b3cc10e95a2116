package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.TestCertificates;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Two labs, each a process of its own, joined by a stream or by datagrams: no privilege is needed.
 */
class StreamPingTest {
  @TempDir Path folder;

  private final TestCertificates certificates = new TestCertificates();

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void oneGuestPingsTheOther(boolean tls) {
    String far = "";
    String near = "";
    if (tls) {
      far = ",tls=" + certificates.folder(folder.resolve("far"), true, certificates.issue());
      near = ",tls=" + certificates.folder(folder.resolve("near"), false, certificates.issue());
    }
    try (Vlab up = Vlab.asMyself();
        Vlab ping = Vlab.asMyself()) {
      String socket = "unix:" + folder.resolve("wire");
      up.start("up", "--json", "--backend", "stream:listen:" + socket + far);
      up.awaitOutput("}");
      Vlab.Ended ended =
          ping.run("ping", "--json", "--flood", "-c", "50", "--backend", "stream:" + socket + near);

      assertEquals(0, ended.exitCode(), ended.err() + ended.out());
      assertEquals("", ended.err());
      JsonNode report = JsonMapper.shared().readTree(ended.out());
      assertEquals("guest", report.at("/from").asString());
      assertEquals(50, report.at("/ping/received").asInt(), report::toString);
      ping.assertNothingLeft();
      up.interrupt();
      assertEquals("", up.await().err());
      up.assertNothingLeft();
    }
  }

  @Test
  void oneGuestPingsTheOtherByDatagrams() {
    try (Vlab up = Vlab.asMyself();
        Vlab ping = Vlab.asMyself()) {
      String far = "unix:" + folder.resolve("far");
      String near = "unix:" + folder.resolve("near");
      up.start("up", "--json", "--backend", "dgram:" + far + "," + near);
      up.awaitOutput("}");
      Vlab.Ended ended =
          ping.run(
              "ping", "--json", "--flood", "-c", "50", "--backend", "dgram:" + near + "," + far);
      assertEquals(0, ended.exitCode(), ended.err() + ended.out());
      JsonNode report = JsonMapper.shared().readTree(ended.out());
      assertEquals("dgram", report.at("/wire").asString());
      assertEquals(50, report.at("/ping/received").asInt(), report::toString);
      ping.assertNothingLeft();
      up.interrupt();
      assertEquals("", up.await().err());
      up.assertNothingLeft();
    }
  }

  @Test
  void withoutTheRightCertificateTheyDoNot() {
    Path far = certificates.folder(folder.resolve("far"), true, certificates.issue());
    // It trusts the server, and its own certificate is from somebody else.
    Path near = certificates.folder(folder.resolve("near"), false, new TestCertificates().issue());
    try (Vlab up = Vlab.asMyself();
        Vlab ping = Vlab.asMyself()) {
      String socket = "unix:" + folder.resolve("wire");
      up.start("up", "--json", "--backend", "stream:listen:" + socket + ",tls=" + far);
      up.awaitOutput("}");
      Vlab.Ended ended =
          ping.run("ping", "-c", "2", "--backend", "stream:" + socket + ",tls=" + near);

      assertEquals(1, ended.exitCode(), ended.err() + ended.out());
      assertEquals(1, ended.err().lines().count(), ended.err());
      assertTrue(ended.err().contains("refuses this end"), ended.err());
      up.interrupt();
      assertTrue(up.await().err().contains("shows no certificate"));
    }
  }
}
