package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.netty.StreamAddress;
import dev.virtiolab.net.netty.StreamConfig;
import dev.virtiolab.net.netty.VxlanConfig;
import dev.virtiolab.posix.fixture.Requirements;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BackendSpecTest {
  @Test
  void readsEveryForm() {
    assertEquals(new BackendSpec.TapInterface(""), BackendSpec.parse("tap"));
    assertEquals(new BackendSpec.TapInterface("vlab0"), BackendSpec.parse("tap:vlab0"));
    assertEquals(
        new BackendSpec.TapInterface("fifteen-bytes-x"), BackendSpec.parse("tap:fifteen-bytes-x"));
    assertEquals(new BackendSpec.Loopback(), BackendSpec.parse("loopback"));
    assertEquals(new BackendSpec.Sink(), BackendSpec.parse("sink"));
    assertEquals(
        new BackendSpec.UdpDatagram(
            new BackendSpec.UdpDatagram.Port("127.0.0.1", 1),
            new BackendSpec.UdpDatagram.Port("peer.example", 65535)),
        BackendSpec.parse("dgram:127.0.0.1:1,peer.example:65535"));
    assertEquals(
        new BackendSpec.UnixDatagram(Path.of("/a"), Path.of("b c")),
        BackendSpec.parse("dgram:unix:/a,unix:b c"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "Tap",
        "tap:",
        "tap:sixteen-bytes-xx",
        "loopback:",
        "sink:1",
        "tapx",
        ":tap",
        "dgram",
        "dgram:",
        "dgram:127.0.0.1:1",
        "dgram:127.0.0.1:1,",
        "dgram:127.0.0.1:1,h:2,h:3",
        "dgram:h,h:2",
        "dgram::1,h:2",
        "dgram:h:0,h:2",
        "dgram:h:1,h:65536",
        "dgram:h:+1,h:2",
        "dgram:h:x,h:2",
        "dgram:h:1,h:1",
        "dgram:[::1]:1,[::1]:2",
        "dgram:unix:/a,h:1",
        "dgram:h:1,unix:/a",
        "dgram:unix:,unix:/a",
        "dgram:unix:/a,unix:/a",
        "dgram:h:99999999999,h:2",
        "vxlan",
        "vxlan:",
        "vxlan:10.0.0.1",
        "vxlan:10.0.0.1,vni=1",
        "vxlan:10.0.0.1,peer=10.0.0.2",
        "vxlan:,vni=1,peer=10.0.0.2",
        "vxlan:10.0.0.1,vni=,peer=10.0.0.2",
        "vxlan:10.0.0.1,vni=-1,peer=10.0.0.2",
        "vxlan:10.0.0.1,vni=16777216,peer=10.0.0.2",
        "vxlan:10.0.0.1,vni=1,peer=",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.1",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.1:4789",
        "vxlan:10.0.0.1:0,vni=1,peer=10.0.0.2",
        "vxlan:10.0.0.1:65536,vni=1,peer=10.0.0.2",
        "vxlan:10.0.0.1:,vni=1,peer=10.0.0.2",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2:x",
        "vxlan:fd00::1,vni=1,peer=[fd00::2]",
        "vxlan:[fd00::1,vni=1,peer=[fd00::2]",
        "vxlan:[fd00::1]4789,vni=1,peer=[fd00::2]",
        "vxlan:[10.0.0.1],vni=1,peer=10.0.0.2",
        "vxlan:10.0.0.1,vni=1,mac=10.0.0.2",
        "vxlan:10.0.0.1,vni=1,mac=52:54:00:12:34@10.0.0.2",
        "vxlan:10.0.0.1,vni=1,mac=01:54:00:12:34:56@10.0.0.2",
        "vxlan:10.0.0.1,vni=1,mac=00:00:00:00:00:00@10.0.0.2",
        "vxlan:10.0.0.1,vni=1,mac=52:54:00:12:34:56@10.0.0.1",
        "vxlan:10.0.0.1,vni=1,mac=52:54:00:12:34:56@10.0.0.2,mac=52:54:00:12:34:56@10.0.0.3",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2,learning=maybe",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2,ageing=0",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2,table=100",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2,table=4",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2,storm=x",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2,colour=red",
        "vxlan:10.0.0.1,vni=1,peer=10.0.0.2,"
      })
  void refusesTheRestAndNamesWhatIsKnown(String text) {
    BackendSpecException e =
        assertThrows(BackendSpecException.class, () -> BackendSpec.parse(text));
    assertEquals(text, e.spec());
    assertEquals(
        "back end '" + text + "': " + e.reason() + "; known are " + BackendSpec.FORMS,
        e.getMessage());
  }

  @Test
  void readsAVxlanSegment() {
    VxlanConfig.Host here = new VxlanConfig.Host("10.0.0.1", 4789);
    VxlanConfig.Host there = new VxlanConfig.Host("10.0.0.2", 4789);
    assertEquals(
        new BackendSpec.Vxlan(VxlanConfig.of(here, 42, List.of(there))),
        BackendSpec.parse("vxlan:10.0.0.1,vni=42,peer=10.0.0.2"));
    // A port that is not said is the local one.
    assertEquals(
        new BackendSpec.Vxlan(
            VxlanConfig.of(
                new VxlanConfig.Host("fd00::1", 8472),
                0,
                List.of(new VxlanConfig.Host("fd00::2", 8472), new VxlanConfig.Host("peer", 1)))),
        BackendSpec.parse("vxlan:[fd00::1]:8472,peer=[fd00::2],vni=0,peer=peer:1"));
    assertEquals(
        new BackendSpec.Vxlan(
            new VxlanConfig(
                here,
                16_777_215,
                List.of(),
                List.of(new VxlanConfig.Station(0x5254_0012_34abL, there)),
                false,
                Duration.ofSeconds(30),
                64,
                0)),
        BackendSpec.parse(
            "vxlan:10.0.0.1,vni=16777215,mac=52:54:00:12:34:Ab@10.0.0.2:4789,learning=off"
                + ",ageing=30,table=64,storm=0"));
  }

  @Test
  void pathTooLongForASocketIsRefused() {
    BackendSpec.parse("dgram:unix:" + "x".repeat(107) + ",unix:b");
    assertThrows(
        BackendSpecException.class,
        () -> BackendSpec.parse("dgram:unix:" + "x".repeat(108) + ",unix:b"));
  }

  @Test
  void datagramThatCannotBeHadSaysWhyInOneLine(@TempDir Path folder) {
    InetSocketAddress[] udp = DatagramBackendTest.freePorts(2);
    String text = "dgram:127.0.0.1:" + udp[0].getPort() + ",localhost:" + udp[1].getPort();
    try (NetBackend backend = BackendSpec.parse(text).open()) {
      assertInstanceOf(DatagramBackend.class, backend);
      assertOpenFails(text, "Address already in use (EADDRINUSE)");
    }
    assertOpenFails("dgram:192.0.2.77:5,127.0.0.1:6", "(EADDRNOTAVAIL)");
    assertOpenFails("dgram:127.0.0.1:5,nowhere.invalid:6", "nowhere.invalid");
    assertOpenFails("dgram:unix:" + folder + "/none/a,unix:" + folder + "/b", "(ENOENT)");
  }

  private static void assertOpenFails(String text, String reason) {
    BackendOpenException e =
        assertThrows(BackendOpenException.class, () -> BackendSpec.parse(text).open());
    assertEquals(text, e.wire());
    assertTrue(
        e.getMessage().contains(reason) && e.getMessage().lines().count() == 1, e::getMessage);
  }

  @Test
  void readsEveryFormOfAStream() {
    StreamConfig listening = StreamConfig.listen(new StreamAddress.Tcp("127.0.0.1", 0));
    assertStream(listening, "stream:listen:127.0.0.1:0");
    StreamConfig config = StreamConfig.connect(new StreamAddress.Tcp("::1", 65_535));
    assertStream(config, "stream:[::1]:65535");
    assertStream(config.withReconnect(Duration.ZERO), "stream:[::1]:65535,reconnect=0");
    assertStream(
        config.withTls(Path.of("/etc/pki")).withPatience(Duration.ofMillis(1500)),
        "stream:[::1]:65535,tls=/etc/pki,timeout=1.5");
    StreamAddress socket = new StreamAddress.Unix(Path.of("/run/a b"));
    assertStream(StreamConfig.listen(socket), "stream:listen:unix:/run/a b");
    assertStream(StreamConfig.connect(socket), "stream:unix:/run/a b");
  }

  private static void assertStream(StreamConfig expected, String text) {
    assertEquals(new BackendSpec.Stream(expected), BackendSpec.parse(text));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "stream                          | HOST:PORT",
        "stream:                         | HOST:PORT",
        "stream:4444                     | HOST:PORT",
        "stream::4444                    | HOST:PORT",
        "stream:listen:                  | HOST:PORT",
        "stream:localhost:               | port",
        "stream:localhost:0              | port 0",
        "stream:localhost:65536          | 65535",
        "stream:localhost:-1             | port",
        "stream:localhost:http           | http",
        "stream:::1:4444                 | brackets",
        "stream:[localhost]:4444         | brackets",
        "stream:unix:                    | path",
        "stream:h:1,tls                  | tls=DIR",
        "stream:h:1,colour=red           | colour=red",
        "stream:h:1,reconnect=soon       | soon",
        "stream:h:1,reconnect=-1         | -1",
        "stream:h:1,timeout=0            | timeout",
        "stream:listen:h:1,reconnect=1   | reconnect",
      })
  void saysWhatIsWrongWithAStream(String text, String named) {
    BackendSpecException e =
        assertThrows(BackendSpecException.class, () -> BackendSpec.parse(text));
    assertTrue(e.reason().contains(named), e::reason);
    assertEquals(1, e.getMessage().lines().count());
  }

  @Test
  void aStreamSocketsPathIsNotLongerThanTheKernelTakes() {
    String longest = "/" + "x".repeat(StreamAddress.Unix.MAX_PATH_BYTES - 1);
    BackendSpec.parse("stream:unix:" + longest);
    BackendSpecException e =
        assertThrows(
            BackendSpecException.class, () -> BackendSpec.parse("stream:unix:" + longest + "x"));
    assertTrue(e.reason().contains("107"), e::reason);
  }

  @Test
  void opensWhatItNames() {
    Requirements.assumeTap();
    try (NetBackend tap = BackendSpec.parse("tap").open();
        NetBackend loopback = BackendSpec.parse("loopback").open();
        NetBackend sink = BackendSpec.parse("sink").open()) {
      assertInstanceOf(TapBackend.class, tap);
      assertInstanceOf(LoopbackBackend.class, loopback);
      assertInstanceOf(SinkBackend.class, sink);
    }
  }
}
