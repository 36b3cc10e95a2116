package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.posix.fixture.Requirements;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
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
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "Tap", "tap:", "tap:sixteen-bytes-xx", "loopback:", "sink:1", "tapx", ":tap"})
  void refusesTheRestAndNamesWhatIsKnown(String text) {
    BackendSpecException e =
        assertThrows(BackendSpecException.class, () -> BackendSpec.parse(text));
    assertEquals(text, e.spec());
    assertEquals(
        "back end '" + text + "': " + e.reason() + "; known are tap[:NAME]|loopback|sink",
        e.getMessage());
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
