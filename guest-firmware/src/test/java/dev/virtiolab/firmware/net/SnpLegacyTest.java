package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.RX;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.TX;
import static dev.virtiolab.firmware.net.NetBench.PEER;
import static dev.virtiolab.firmware.net.NetBench.STATION;
import static dev.virtiolab.firmware.net.NetBench.ok;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.fixture.device.FakeVirtioDevice;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import org.junit.jupiter.api.Test;

/** The driver on a device before version 1: virtio v1.4, 3.1.2 and 5.1.6.1. */
class SnpLegacyTest {
  private final NetBench bench = legacy(new NetBench());

  private static NetBench legacy(NetBench bench) {
    bench.card.revision = VirtioDevice.REVISION_0_9_5;
    bench.card.features = FakeVirtioDevice.F_MAC | FakeVirtioDevice.F_STATUS | 1L << 15 | 1L << 27;
    return bench;
  }

  @Test
  void thereIsNoFeaturesOk() {
    bench.initialized();
    assertEquals(FakeVirtioDevice.F_MAC | FakeVirtioDevice.F_STATUS, bench.card.negotiated());
    assertEquals(1 | 2 | 4, bench.card.status());
    assertEquals(STATION, bench.snp.mode().currentAddress);
  }

  @Test
  void framesGoBothWaysBehindTenBytes() {
    bench.initialized();
    assertEquals(10, bench.card.lengthOf(RX, 0, 0));
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertEquals(1, bench.card.transmitAll());
    long frame = bench.frame(STATION, 98);
    assertEquals(true, bench.card.deliver(frame, 98));
    long target = bench.frame(STATION, 1514);
    LongRef size = new LongRef(1514);
    ok(bench.snp.receive(null, size, target, null, null, null));
    assertEquals(98, size.value);
    for (int i = 0; i < 98; i++) {
      assertEquals(bench.memory.getByte(frame + i), bench.memory.getByte(target + i), "byte " + i);
    }
  }

  /** A length that does not hold the header is a lie, and one byte more than fits is another. */
  @Test
  void lengthsAreCheckedAgainstTenBytes() {
    bench.initialized();
    int head = bench.card.pop(RX);
    bench.card.complete(RX, head, 9);
    LongRef size = new LongRef(1514);
    long target = bench.frame(STATION, 1514);
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.receive(null, size, target, null, null, null));
    ok(bench.snp.reset(false));
    head = bench.card.pop(RX);
    bench.card.complete(RX, head, 10 + bench.card.lengthOf(RX, head, 1) + 1);
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.receive(null, size, target, null, null, null));
    assertEquals(0, bench.card.kicks(TX));
  }

  @Test
  void whereAccessPlatformIsNeededItIsRefused() {
    NetBench behindAnIommu = legacy(new NetBench(true));
    assertEquals(EfiStatus.UNSUPPORTED, behindAnIommu.driver.start(behindAnIommu.controller));
  }
}
