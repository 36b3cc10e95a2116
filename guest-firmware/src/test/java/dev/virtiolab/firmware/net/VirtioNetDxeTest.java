package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.net.NetBench.ok;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import org.junit.jupiter.api.Test;

/** The driver binding, through the core: UEFI 2.10, 11.1. */
class VirtioNetDxeTest {
  private final NetBench bench = new NetBench();

  private EfiStatus locate() {
    return bench.core.locateProtocol(SimpleNetwork.PROTOCOL, new Ref<>());
  }

  @Test
  void connectControllerMakesAChildWithTheProtocolAndDisconnectTakesItAway() {
    ok(bench.core.connectController(bench.controller, true));
    ok(locate());
    ok(bench.core.disconnectController(bench.controller));
    assertEquals(EfiStatus.NOT_FOUND, locate());
    assertEquals(0, bench.card.openMappings());
    ok(bench.core.connectController(bench.controller, true));
    ok(locate());
  }

  @Test
  void anInterfaceThatIsInUseIsNotDisconnected() {
    bench.initialized();
    assertTrue(bench.core.disconnectController(bench.controller).isError());
    ok(bench.send(bench.frame(NetBench.PEER, 60), 60));
    ok(bench.snp.shutdown());
    assertTrue(bench.core.disconnectController(bench.controller).isError());
    ok(bench.snp.stop());
    ok(bench.core.disconnectController(bench.controller));
    assertEquals(EfiStatus.NOT_FOUND, locate());
  }

  @Test
  void anotherKindOfDeviceIsNotSupported() {
    bench.card.deviceType = 2;
    assertEquals(EfiStatus.UNSUPPORTED, bench.driver.supported(bench.controller));
    Ref<VirtioDevice> unused = new Ref<>();
    ok(bench.core.handleProtocol(bench.controller, VirtioDevice.PROTOCOL, unused));
  }

  @Test
  void aManagedDeviceIsNotSupportedAgain() {
    bench.connected();
    assertTrue(bench.driver.supported(bench.controller).isError());
  }
}
