package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.RX;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.TX;
import static dev.virtiolab.firmware.net.NetBench.PEER;
import static dev.virtiolab.firmware.net.NetBench.STATION;
import static dev.virtiolab.firmware.net.NetBench.ok;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.device.FakeVirtioDevice;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.NetworkStatistics;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Frames both ways, with an honest device. */
class SnpTrafficTest {
  private static final long TARGET = 0x10_000;

  private final NetBench bench = new NetBench();

  private byte[] bytes(long address, int length) {
    byte[] copy = new byte[length];
    bench.memory.read(address, MemorySegment.ofArray(copy), 0, length);
    return copy;
  }

  @Test
  void theDriverNegotiatesWhatItUsesAndIsOfferedAndNothingElse() {
    bench.card.features |= FakeVirtioDevice.F_ACCESS_PLATFORM | 1L << 28 | 1L << 29 | 1L << 15;
    bench.initialized();
    assertEquals(
        FakeVirtioDevice.F_MAC
            | FakeVirtioDevice.F_STATUS
            | FakeVirtioDevice.F_VERSION_1
            | FakeVirtioDevice.F_ACCESS_PLATFORM,
        bench.card.negotiated());
    assertEquals(1 | 2 | 8 | 4, bench.card.status());
  }

  @Test
  void aStoppedInterfaceHasLeftTheDeviceResetAndShowsItsAddress() {
    bench.connected();
    assertEquals(0, bench.card.status());
    assertEquals(STATION, bench.snp.mode().currentAddress);
    assertEquals(STATION, bench.snp.mode().permanentAddress);
    assertEquals(MacAddress.BROADCAST, bench.snp.mode().broadcastAddress);
    assertTrue(bench.snp.mode().mediaPresentSupported);
    assertTrue(bench.snp.mode().mediaPresent);
    assertEquals(0, bench.card.openMappings());
  }

  @Test
  void eachTransmitMapsAHeaderOfItsOwnAndTheBufferAndUnmapsBothWhenHandedBack() {
    bench.initialized();
    int idle = bench.card.openMappings();
    for (int frame = 1; frame <= 3; frame++) {
      ok(bench.send(bench.frame(PEER, 60), 60));
      assertEquals(idle + 2 * frame, bench.card.openMappings());
      assertEquals(2 * frame, bench.card.readMapsMade());
    }
    int first = bench.card.pop(TX);
    int second = bench.card.pop(TX);
    assertNotEquals(
        bench.card.bufferOf(TX, first, 0), bench.card.bufferOf(TX, second, 0), "headers");
    bench.card.complete(TX, first, 0);
    assertNotEquals(0, bench.reclaim());
    assertEquals(idle + 4, bench.card.openMappings());
    bench.card.complete(TX, second, 0);
    assertEquals(1, bench.card.transmitAll());
    assertNotEquals(0, bench.reclaim());
    assertNotEquals(0, bench.reclaim());
    assertEquals(0, bench.reclaim());
    assertEquals(idle, bench.card.openMappings());
    ok(bench.snp.shutdown());
    assertEquals(0, bench.card.openMappings());
    assertEquals(0, bench.card.sharedPagesOut());
  }

  @Test
  void theDeviceGetsTheCallersFrameAndHeaderSizeFillsInItsHeader() {
    bench.initialized();
    long frame = bench.frame(MacAddress.BROADCAST, 100);
    ok(bench.snp.transmit(14, 100, frame, null, PEER, new IntRef(0x0806)));
    byte[] expected = {2, 0, 0, 0, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 6};
    int head = bench.card.pop(TX);
    assertEquals(100, bench.card.lengthOf(TX, head, 1));
    assertEquals(frame, bench.card.bufferOf(TX, head, 1));
    byte[] sent = bytes(frame, 100);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], sent[i], "byte " + i);
    }
    ok(bench.snp.transmit(14, 100, frame, MacAddress.BROADCAST, PEER, new IntRef(0x0806)));
    assertEquals(-1, bytes(frame, 100)[6]);
  }

  @Test
  void completionsInAnyOrderHandBackTheirOwnBuffers() {
    bench.initialized();
    long a = bench.frame(PEER, 60);
    long b = bench.frame(PEER, 60);
    ok(bench.send(a, 60));
    ok(bench.send(b, 60));
    int headOfA = bench.card.pop(TX);
    int headOfB = bench.card.pop(TX);
    bench.card.complete(TX, headOfB, 0);
    assertEquals(b, bench.reclaim());
    bench.card.complete(TX, headOfA, 0);
    assertEquals(a, bench.reclaim());
  }

  @Test
  void sixtyFourFramesMayBeInFlightAndTheNextIsNotReady() {
    bench.initialized();
    for (int i = 0; i < 64; i++) {
      ok(bench.send(bench.frame(PEER, 60), 60));
    }
    assertEquals(EfiStatus.NOT_READY, bench.send(bench.frame(PEER, 60), 60));
    assertEquals(64, bench.card.transmitAll());
    assertEquals(EfiStatus.NOT_READY, bench.send(bench.frame(PEER, 60), 60), "none handed back");
    assertNotEquals(0, bench.reclaim());
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertEquals(2, bench.count(SnpCounter.TX_BUSY));
  }

  @Test
  void aSmallQueueHoldsHalfItsDescriptorsInFrames() {
    bench.card.queueSizes[TX] = 8;
    bench.card.queueSizes[RX] = 4;
    bench.initialized();
    for (int i = 0; i < 4; i++) {
      ok(bench.send(bench.frame(PEER, 60), 60));
    }
    assertEquals(EfiStatus.NOT_READY, bench.send(bench.frame(PEER, 60), 60));
    assertEquals(2, bench.card.available(RX));
  }

  @Test
  void theDeviceIsKickedUnlessItSuppressesIt() {
    bench.initialized();
    assertEquals(1, bench.card.kicks(RX), "the buffers posted at first");
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertEquals(1, bench.card.kicks(TX));
    bench.card.wantsKicks(TX, false);
    bench.card.wantsKicks(RX, false);
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertTrue(bench.card.deliver(bench.frame(STATION, 60), 60));
    ok(bench.receive(TARGET));
    assertEquals(1, bench.card.kicks(TX));
    assertEquals(1, bench.card.kicks(RX));
    bench.card.wantsKicks(TX, true);
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertEquals(2, bench.card.kicks(TX));
  }

  @Test
  void aReceivedFrameIsCopiedAndItsHeaderTakenApart() {
    bench.initialized();
    assertTrue(bench.card.deliver(bench.frame(STATION, 1514), 1514));
    LongRef headerSize = new LongRef();
    LongRef size = new LongRef(2048);
    Ref<MacAddress> source = new Ref<>();
    Ref<MacAddress> destination = new Ref<>();
    IntRef protocol = new IntRef();
    ok(bench.snp.receive(headerSize, size, TARGET, source, destination, protocol));
    assertEquals(14, headerSize.value);
    assertEquals(1514, size.value);
    assertEquals(PEER, source.value);
    assertEquals(STATION, destination.value);
    assertEquals(0x0800, protocol.value);
    assertArrayEquals(bytes(bench.frames, 1514), bytes(TARGET, 1514));
    assertEquals(64, bench.card.available(RX), "the buffer is the device's again");
    assertEquals(EfiStatus.NOT_READY, bench.receive(TARGET));
  }

  @Test
  void aFrameThatDoesNotFitIsKeptAndItsSizeTold() {
    bench.initialized();
    assertTrue(bench.card.deliver(bench.frame(STATION, 100), 100));
    LongRef size = new LongRef(99);
    assertEquals(
        EfiStatus.BUFFER_TOO_SMALL, bench.snp.receive(null, size, TARGET, null, null, null));
    assertEquals(100, size.value);
    ok(bench.snp.receive(null, size, TARGET, null, null, null));
  }

  @Test
  void shortFramesAreDroppedAndCounted() {
    bench.initialized();
    assertTrue(bench.card.deliver(bench.frame(STATION, 60), 13));
    assertTrue(bench.card.deliver(bench.frame(STATION, 60), 0));
    assertTrue(bench.card.deliver(bench.frame(STATION, 60), 14));
    ok(bench.receive(TARGET));
    assertEquals(2, bench.count(SnpCounter.RX_SHORT));
    assertEquals(64, bench.card.available(RX));
  }

  @Test
  void getStatusTellsOfFramesBothWaysAndOfTheLink() {
    bench.initialized();
    IntRef interrupts = new IntRef(99);
    ok(bench.snp.getStatus(interrupts, null));
    assertEquals(0, interrupts.value);
    ok(bench.send(bench.frame(PEER, 60), 60));
    bench.card.transmitAll();
    assertTrue(bench.card.deliver(bench.frame(STATION, 60), 60));
    ok(bench.snp.getStatus(interrupts, null));
    assertEquals(
        SimpleNetwork.RECEIVE_INTERRUPT | SimpleNetwork.TRANSMIT_INTERRUPT, interrupts.value);
    bench.card.link(false);
    ok(bench.snp.getStatus(null, null));
    assertFalse(bench.snp.mode().mediaPresent);
    bench.card.link(true);
    assertNotEquals(0, bench.reclaim());
    assertEquals(0, bench.reclaim());
    assertTrue(bench.snp.mode().mediaPresent);
    assertEquals(2, bench.count(SnpCounter.MEDIA_CHANGES));
  }

  @Test
  void aSteadyFlowOfCompletionsStillSeesALinkChangeWithin64() {
    bench.initialized();
    bench.card.link(false);
    for (int i = 0; i < 64; i++) {
      ok(bench.send(bench.frame(PEER, 60), 60));
      bench.card.transmitAll();
      assertNotEquals(0, bench.reclaim());
    }
    assertFalse(bench.snp.mode().mediaPresent);
  }

  @Test
  void waitForPacketIsSignalledWhileAFrameIsThere() {
    bench.initialized();
    assertEquals(EfiStatus.NOT_READY, bench.core.checkEvent(bench.snp.waitForPacket()));
    assertTrue(bench.card.deliver(bench.frame(PEER, 60), 60));
    assertEquals(
        EfiStatus.NOT_READY, bench.core.checkEvent(bench.snp.waitForPacket()), "filtered out");
    assertTrue(bench.card.deliver(bench.frame(STATION, 60), 60));
    ok(bench.core.checkEvent(bench.snp.waitForPacket()));
    ok(bench.core.checkEvent(bench.snp.waitForPacket()));
    ok(bench.receive(TARGET));
    assertEquals(EfiStatus.NOT_READY, bench.core.checkEvent(bench.snp.waitForPacket()));
  }

  private boolean accepts(MacAddress destination) {
    assertTrue(bench.card.deliver(bench.frame(destination, 60), 60));
    return bench.receive(TARGET) == EfiStatus.SUCCESS;
  }

  @Test
  void receiveFiltersDecideWhatArrives() {
    bench.initialized();
    SimpleNetwork snp = bench.snp;
    MacAddress listed = MacAddress.parse("01:00:5e:00:00:01");
    MacAddress other = MacAddress.parse("01:00:5e:00:00:02");
    assertTrue(accepts(STATION));
    assertTrue(accepts(MacAddress.BROADCAST));
    assertFalse(accepts(PEER));
    assertFalse(accepts(listed));

    ok(snp.receiveFilters(SimpleNetwork.RECEIVE_MULTICAST, 0, false, List.of(listed)));
    assertEquals(0x07, snp.mode().receiveFilterSetting);
    assertEquals(List.of(listed), snp.mode().mCastFilter);
    assertTrue(accepts(listed));
    assertFalse(accepts(other));

    ok(snp.receiveFilters(SimpleNetwork.RECEIVE_PROMISCUOUS_MULTICAST, 0, true, null));
    assertEquals(0x15, snp.mode().receiveFilterSetting);
    assertEquals(List.of(), snp.mode().mCastFilter);
    assertTrue(accepts(other));
    assertFalse(accepts(PEER));

    ok(snp.receiveFilters(SimpleNetwork.RECEIVE_PROMISCUOUS, 0x07, false, null));
    assertEquals(0x18, snp.mode().receiveFilterSetting);
    assertTrue(accepts(PEER));
    assertTrue(accepts(MacAddress.BROADCAST));

    ok(snp.receiveFilters(0x1f, 0x1f, false, null));
    assertEquals(0, snp.mode().receiveFilterSetting, "disable wins");
    assertFalse(accepts(STATION));
    assertFalse(accepts(MacAddress.BROADCAST));
    assertEquals(64, bench.card.available(RX));
  }

  @Test
  void aNewStationAddressReceivesAndSendsAndThePermanentOneComesBack() {
    bench.initialized();
    ok(bench.snp.stationAddress(false, PEER));
    assertEquals(PEER, bench.snp.mode().currentAddress);
    assertEquals(STATION, bench.snp.mode().permanentAddress);
    assertTrue(accepts(PEER));
    assertFalse(accepts(STATION));
    long frame = bench.frame(STATION, 60);
    ok(bench.snp.transmit(14, 60, frame, null, STATION, new IntRef(0x800)));
    assertEquals(PEER.bits(), MacAddresses.read(bench.memory, frame + 6));
    ok(bench.snp.stationAddress(true, null));
    assertTrue(accepts(STATION));
  }

  @Test
  void statisticsCountSinceTheyWereReset() {
    bench.initialized();
    accepts(STATION);
    accepts(MacAddress.BROADCAST);
    accepts(PEER);
    ok(bench.send(bench.frame(PEER, 60), 60));
    ok(bench.send(bench.frame(MacAddress.BROADCAST, 100), 100));
    bench.card.transmitAll();
    assertNotEquals(0, bench.reclaim());
    LongRef size = new LongRef(1000);
    Ref<NetworkStatistics> table = new Ref<>();
    ok(bench.snp.statistics(true, size, table));
    assertEquals(NetworkStatistics.SIZE, size.value);
    NetworkStatistics s = table.value;
    assertEquals(3, s.rxTotalFrames());
    assertEquals(2, s.rxGoodFrames());
    assertEquals(1, s.rxUnicastFrames());
    assertEquals(1, s.rxBroadcastFrames());
    assertEquals(180, s.rxTotalBytes());
    assertEquals(2, s.txTotalFrames());
    assertEquals(1, s.txGoodFrames());
    assertEquals(1, s.txUnicastFrames());
    assertEquals(1, s.txBroadcastFrames());
    assertEquals(160, s.txTotalBytes());
    assertEquals(-1, s.collisions());
    ok(bench.snp.statistics(false, size, table));
    assertEquals(0, table.value.rxTotalFrames());
    assertEquals(0, table.value.txTotalBytes());
    size.value = 16;
    assertEquals(EfiStatus.BUFFER_TOO_SMALL, bench.snp.statistics(false, size, table));
    assertEquals(NetworkStatistics.SIZE, size.value);
    assertEquals(0, table.value.rxGoodFrames());
    assertEquals(-1, table.value.rxUndersizeFrames(), "no room for it");
  }

  @Test
  void multicastAddressesMapAsTheRfcsSay() {
    bench.initialized();
    Ref<MacAddress> mac = new Ref<>();
    ok(bench.snp.mCastIpToMac(false, new byte[] {(byte) 239, (byte) 0xff, 2, 3}, mac));
    assertEquals(MacAddress.parse("01:00:5e:7f:02:03"), mac.value);
    byte[] ip6 = new byte[16];
    ip6[0] = -1;
    ip6[12] = (byte) 0x81;
    ip6[15] = 9;
    ok(bench.snp.mCastIpToMac(true, ip6, mac));
    assertEquals(MacAddress.parse("33:33:81:00:00:09"), mac.value);
  }

  @Test
  void resetEmptiesTheQueuesAndKeepsAddressFiltersAndStatistics() {
    bench.initialized();
    int idle = bench.card.openMappings();
    long pages = bench.card.sharedPagesOut();
    ok(bench.snp.stationAddress(false, PEER));
    ok(bench.snp.receiveFilters(0, SimpleNetwork.RECEIVE_BROADCAST, false, null));
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertTrue(bench.card.deliver(bench.frame(PEER, 60), 60));
    ok(bench.snp.reset(false));
    assertEquals(idle, bench.card.openMappings());
    assertEquals(pages, bench.card.sharedPagesOut());
    assertEquals(1, bench.count(SnpCounter.TX_LOST));
    assertEquals(0, bench.card.available(TX));
    assertEquals(64, bench.card.available(RX));
    assertEquals(EfiStatus.NOT_READY, bench.receive(TARGET));
    assertEquals(0, bench.reclaim());
    assertTrue(accepts(PEER));
    assertFalse(accepts(MacAddress.BROADCAST));
    for (int i = 0; i < 64; i++) {
      ok(bench.send(bench.frame(PEER, 60), 60));
    }
  }

  @Test
  void shutdownWithFramesInFlightLeavesNothingMappedOrAllocated() {
    bench.connected();
    long before = bench.pagesInUse();
    ok(bench.snp.start());
    ok(bench.snp.initialize(0, 0));
    for (int i = 0; i < 5; i++) {
      ok(bench.send(bench.frame(PEER, 60), 60));
    }
    ok(bench.snp.shutdown());
    assertEquals(0, bench.card.status());
    assertEquals(0, bench.card.openMappings());
    assertEquals(before, bench.pagesInUse());
    ok(bench.snp.initialize(0, 0));
    assertTrue(accepts(STATION));
    assertEquals(State.INITIALIZED, bench.snp.mode().state);
  }

  @Test
  void exitBootServicesResetsTheDeviceAndChangesNothingElse() {
    bench.initialized();
    ok(bench.send(bench.frame(PEER, 60), 60));
    int open = bench.card.openMappings();
    LongRef key = new LongRef();
    bench.core.getMemoryMap(new LongRef(), new Ref<>(), key);
    ok(bench.core.exitBootServices(key.value));
    assertEquals(0, bench.card.status());
    assertEquals(open, bench.card.openMappings(), "mappings are the IOMMU driver's to take down");
  }

  @Test
  void seventyThousandFramesEachWayPassTheWrapOfTheIndices() {
    bench.initialized();
    long frame = bench.frame(STATION, 64);
    LongRef buffer = new LongRef();
    for (int i = 0; i < 70_000; i++) {
      if (bench.send(frame, 64) != EfiStatus.SUCCESS) {
        throw new AssertionError("transmit " + i);
      }
      bench.card.transmitAll();
      if (bench.snp.getStatus(null, buffer) != EfiStatus.SUCCESS || buffer.value != frame) {
        throw new AssertionError("completion " + i);
      }
      bench.card.deliver(frame, 64);
      if (bench.receive(TARGET) != EfiStatus.SUCCESS) {
        throw new AssertionError("receive " + i);
      }
    }
    assertEquals(70_000, bench.count(SnpCounter.TX_DONE));
    assertEquals(70_000, bench.count(SnpCounter.RX_FRAMES));
  }
}
