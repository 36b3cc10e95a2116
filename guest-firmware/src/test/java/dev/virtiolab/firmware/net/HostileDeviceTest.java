package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.RX;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.TX;
import static dev.virtiolab.firmware.net.NetBench.PEER;
import static dev.virtiolab.firmware.net.NetBench.STATION;
import static dev.virtiolab.firmware.net.NetBench.ok;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.device.FakeVirtioDevice;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A device that does what no device may: a status in bounded time, and nothing touched. */
class HostileDeviceTest {
  private static final long TARGET = 0x10_000;
  private static final byte UNTOUCHED = 0x6b;

  private final NetBench bench = new NetBench();

  /** Transmit's used ring was last made to lie: the next GetStatus finds out. */
  private void expectTransmitLie() {
    LongRef buffer = new LongRef();
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.getStatus(null, buffer));
    expectGivenUp(SnpCounter.LIE_TX_USED);
  }

  /** The same for receive; nothing may have reached the caller. */
  private void expectReceiveLie(SnpCounter reason) {
    bench.memory.fill(TARGET - 64, 4096, UNTOUCHED);
    assertEquals(EfiStatus.DEVICE_ERROR, bench.receive(TARGET));
    for (int i = 0; i < 4096; i++) {
      assertEquals(UNTOUCHED, bench.memory.getByte(TARGET - 64 + i));
    }
    expectGivenUp(reason);
  }

  /** The device is reset and counted, traffic refused, and Reset makes it work again. */
  private void expectGivenUp(SnpCounter reason) {
    assertEquals(1, bench.count(reason));
    assertEquals(0, bench.card.status());
    assertEquals(EfiStatus.DEVICE_ERROR, bench.send(bench.frame(PEER, 60), 60));
    assertEquals(EfiStatus.DEVICE_ERROR, bench.receive(TARGET));
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.getStatus(new IntRef(), new LongRef()));
    assertEquals(EfiStatus.NOT_READY, bench.core.checkEvent(bench.snp.waitForPacket()));
    assertEquals(1, bench.count(reason), "looked no more");
    ok(bench.snp.reset(false));
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertEquals(1, bench.card.transmitAll());
    assertNotEquals(0, bench.reclaim());
    assertTrue(bench.card.deliver(bench.frame(STATION, 60), 60));
    ok(bench.receive(TARGET));
    ok(bench.snp.shutdown());
    assertEquals(0, bench.card.openMappings());
    assertEquals(0, bench.card.sharedPagesOut());
  }

  private int transmitted() {
    ok(bench.send(bench.frame(PEER, 60), 60));
    return bench.card.pop(TX);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 64, 256, 0x7fff, 0x8000, 0xffff})
  void transmitUsedIndexBeyondWhatIsInFlight(int index) {
    bench.initialized();
    transmitted();
    bench.card.publishUsed(TX, index);
    expectTransmitLie();
  }

  @ParameterizedTest
  @ValueSource(ints = {65, 256, 0x8000, 0xffff})
  void receiveUsedIndexBeyondWhatIsPosted(int index) {
    bench.initialized();
    bench.card.publishUsed(RX, index);
    expectReceiveLie(SnpCounter.LIE_RX_USED);
  }

  @ParameterizedTest
  @ValueSource(
      ints = {1, 2, 126, 128, 254, 256, 257, 65536, Integer.MAX_VALUE, Integer.MIN_VALUE, -1, -2})
  void transmitUsedIdOutOfRangeOrNeverSubmitted(int id) {
    bench.initialized();
    assertEquals(0, transmitted());
    bench.card.complete(TX, id, 0);
    expectTransmitLie();
  }

  @ParameterizedTest
  @ValueSource(
      ints = {1, 127, 128, 254, 256, 257, 65536, Integer.MAX_VALUE, Integer.MIN_VALUE, -1, -2})
  void receiveUsedIdOutOfRangeOrNeverSubmitted(int id) {
    bench.initialized();
    bench.card.complete(RX, id, 72);
    expectReceiveLie(SnpCounter.LIE_RX_USED);
  }

  @Test
  void transmitCompletedTwice() {
    bench.initialized();
    int head = transmitted();
    transmitted();
    bench.card.element(TX, head, 0);
    bench.card.complete(TX, head, 0);
    assertNotEquals(0, bench.reclaim());
    expectTransmitLie();
  }

  @Test
  void transmitCompletedTwiceWithTheChainSentAgainInBetween() {
    bench.initialized();
    int head = transmitted();
    transmitted();
    bench.card.element(TX, head, 0);
    bench.card.complete(TX, head, 0);
    assertNotEquals(0, bench.reclaim());
    assertEquals(head, transmitted(), "the chain is in flight again");
    expectTransmitLie();
  }

  @Test
  void receiveCompletedTwice() {
    bench.initialized();
    int head = bench.card.pop(RX);
    bench.memory.copy(bench.frame(STATION, 60), bench.card.bufferOf(RX, head, 1), 60);
    bench.card.element(RX, head, 72);
    bench.card.complete(RX, head, 72);
    ok(bench.receive(TARGET));
    expectReceiveLie(SnpCounter.LIE_RX_USED);
  }

  @ParameterizedTest
  @ValueSource(
      ints = {0, 1, 11, 12 + 1518 + 1, 1536, 65535, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
  void receiveUsedLengthBelowTheHeaderOrPastTheBuffer(int length) {
    bench.initialized();
    int head = bench.card.pop(RX);
    bench.memory.copy(bench.frame(STATION, 60), bench.card.bufferOf(RX, head, 1), 60);
    bench.card.complete(RX, head, length);
    expectReceiveLie(SnpCounter.LIE_RX_LENGTH);
  }

  @Test
  void aLieIsFoundByWaitForPacketAndByGetStatusToo() {
    bench.initialized();
    bench.card.publishUsed(RX, 1000);
    assertEquals(EfiStatus.NOT_READY, bench.core.checkEvent(bench.snp.waitForPacket()));
    assertEquals(1, bench.count(SnpCounter.LIE_RX_USED));
    ok(bench.snp.reset(false));
    bench.card.complete(RX, bench.card.pop(RX), 3);
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.getStatus(new IntRef(), null));
    expectGivenUp(SnpCounter.LIE_RX_LENGTH);
  }

  @Test
  void aTransmitLengthMeansNothingAndDoesNoHarm() {
    bench.initialized();
    bench.card.complete(TX, transmitted(), -1);
    assertNotEquals(0, bench.reclaim());
  }

  @Test
  void theDestinationThatPassedTheFilterIsTheOneDelivered() {
    bench.initialized();
    int head = bench.card.pop(RX);
    long buffer = bench.card.bufferOf(RX, head, 1);
    bench.memory.copy(bench.frame(STATION, 60), buffer, 60);
    bench.card.complete(RX, head, 72);
    IntRef interrupts = new IntRef();
    ok(bench.snp.getStatus(interrupts, null));
    assertEquals(1, interrupts.value);
    MacAddresses.write(bench.memory, buffer, PEER.bits());
    ok(bench.receive(TARGET));
    assertEquals(STATION.bits(), MacAddresses.read(bench.memory, TARGET));
  }

  @Test
  void rewrittenDescriptorsAndAvailableRingsAreNeverReadBack() {
    bench.initialized();
    long frame = bench.frame(PEER, 60);
    ok(bench.send(frame, 60));
    int head = bench.card.pop(TX);
    int rx = bench.card.pop(RX);
    bench.memory.copy(bench.frame(STATION, 60), bench.card.bufferOf(RX, rx, 1), 60);
    bench.card.scribble(TX);
    bench.card.scribble(RX);
    bench.card.complete(TX, head, 0);
    bench.card.complete(RX, rx, 72);
    assertEquals(frame, bench.reclaim());
    ok(bench.receive(TARGET));
    assertEquals(STATION.bits(), MacAddresses.read(bench.memory, TARGET));
  }

  @Test
  void needsResetIsNoticed() {
    bench.initialized();
    bench.card.needsReset = true;
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.getStatus(null, new LongRef()));
    expectGivenUp(SnpCounter.DEVICE_NEEDS_RESET);
  }

  @Test
  void featuresThatDoNotStickAreUnsupported() {
    bench.in(State.STARTED);
    bench.card.refusesFeatures = true;
    assertEquals(EfiStatus.UNSUPPORTED, bench.snp.initialize(0, 0));
    assertEquals(State.STARTED, bench.snp.mode().state);
    assertEquals(0, bench.card.status());
    bench.card.refusesFeatures = false;
    ok(bench.snp.initialize(0, 0));
  }

  @ParameterizedTest
  @ValueSource(longs = {FakeVirtioDevice.F_MAC, FakeVirtioDevice.F_VERSION_1})
  void aDeviceWithoutWhatTheDriverNeedsIsUnsupported(long withheld) {
    bench.card.features &= ~withheld;
    assertEquals(EfiStatus.UNSUPPORTED, bench.driver.start(bench.controller));
    assertEquals(128, bench.card.status(), "FAILED, for the host to see");
    NetBench later = new NetBench().in(State.STARTED);
    later.card.features &= ~withheld;
    assertEquals(EfiStatus.UNSUPPORTED, later.snp.initialize(0, 0));
  }

  @Test
  void accessPlatformWithheldWhereItIsNeededIsUnsupported() {
    NetBench encrypted = new NetBench(true);
    assertEquals(EfiStatus.UNSUPPORTED, encrypted.driver.start(encrypted.controller));
    encrypted.card.features |= FakeVirtioDevice.F_ACCESS_PLATFORM;
    encrypted.in(State.STARTED);
    encrypted.card.features &= ~FakeVirtioDevice.F_ACCESS_PLATFORM;
    assertEquals(EfiStatus.UNSUPPORTED, encrypted.snp.initialize(0, 0));
    assertEquals(0, encrypted.card.openMappings());
    encrypted.card.features |= FakeVirtioDevice.F_ACCESS_PLATFORM;
    ok(encrypted.snp.initialize(0, 0));
    assertTrue((encrypted.card.negotiated() & FakeVirtioDevice.F_ACCESS_PLATFORM) != 0);
  }

  @Test
  void aConfigurationThatNeverSettlesIsADeviceError() {
    bench.card.generationNeverSettles = true;
    assertEquals(EfiStatus.DEVICE_ERROR, bench.driver.start(bench.controller));
    bench.card.generationNeverSettles = false;
    bench.connected();
  }

  @Test
  void aGroupAddressAsMacIsADeviceError() {
    bench.card.mac(0x01_00_00_00_00_01L);
    assertEquals(EfiStatus.DEVICE_ERROR, bench.driver.start(bench.controller));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 255, 65535})
  void aQueueSizeThatCannotBeIsUnsupported(int size) {
    bench.in(State.STARTED);
    bench.card.queueSizes[TX] = size;
    assertEquals(EfiStatus.UNSUPPORTED, bench.snp.initialize(0, 0));
    assertEquals(0, bench.card.openMappings());
    assertEquals(0, bench.card.sharedPagesOut());
  }

  @Test
  void theLargestQueueWorks() {
    bench.card.queueSizes[TX] = 32768;
    bench.initialized();
    ok(bench.send(bench.frame(PEER, 60), 60));
    assertEquals(1, bench.card.transmitAll());
    assertNotEquals(0, bench.reclaim());
  }

  @Test
  void aDeviceThatNeverResetsIsAnErrorAndStillEverythingIsGivenBack() {
    bench.initialized();
    ok(bench.send(bench.frame(PEER, 60), 60));
    bench.card.neverResets = true;
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.reset(false));
    assertEquals(EfiStatus.DEVICE_ERROR, bench.send(bench.frame(PEER, 60), 60));
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.shutdown());
    assertEquals(State.STARTED, bench.snp.mode().state);
    assertEquals(0, bench.card.openMappings());
    assertEquals(0, bench.card.sharedPagesOut());
    assertTrue(bench.count(SnpCounter.RESET_FAILED) >= 2);
  }

  @Test
  void aShortMappingIsUndone() {
    bench.in(State.STARTED);
    bench.card.mapLimit = 4096;
    assertEquals(EfiStatus.OUT_OF_RESOURCES, bench.snp.initialize(0, 0));
    assertEquals(0, bench.card.openMappings());
    assertEquals(0, bench.card.sharedPagesOut());
    bench.card.mapLimit = Long.MAX_VALUE;
    ok(bench.snp.initialize(0, 0));
    int open = bench.card.openMappings();
    bench.card.mapLimit = 59;
    assertEquals(EfiStatus.DEVICE_ERROR, bench.send(bench.frame(PEER, 60), 60));
    bench.card.mapLimit = 11;
    assertEquals(EfiStatus.DEVICE_ERROR, bench.send(bench.frame(PEER, 60), 60));
    assertEquals(open, bench.card.openMappings());
    assertEquals(2, bench.count(SnpCounter.TX_MAP_FAILED));
    bench.card.mapLimit = 60;
    ok(bench.send(bench.frame(PEER, 60), 60));
  }

  @Test
  void whicheverCallFailsInitializeLeavesNothingBehind() {
    bench.in(State.STARTED);
    long pages = bench.pagesInUse();
    int failed = 0;
    for (int call = 1; ; call++) {
      bench.card.failCall = call;
      EfiStatus status = bench.snp.initialize(0, 0);
      if (status == EfiStatus.SUCCESS) {
        break;
      }
      failed++;
      assertEquals(EfiStatus.DEVICE_ERROR, status);
      assertEquals(State.STARTED, bench.snp.mode().state);
      assertEquals(0, bench.card.status());
      assertEquals(0, bench.card.openMappings(), "call " + call);
      assertEquals(pages, bench.pagesInUse(), "call " + call);
    }
    assertTrue(failed > 20, "calls that may fail: " + failed);
  }

  @Test
  void whicheverCallFailsStartLeavesNothingBehind() {
    for (int call = 1; ; call++) {
      bench.card.failCall = call;
      EfiStatus status = bench.driver.start(bench.controller);
      if (status == EfiStatus.SUCCESS) {
        assertTrue(call > 10);
        return;
      }
      assertEquals(EfiStatus.DEVICE_ERROR, status);
      assertEquals(
          EfiStatus.NOT_FOUND, bench.core.locateProtocol(SimpleNetwork.PROTOCOL, new Ref<>()));
      bench.card.failCall = 0;
      ok(bench.driver.supported(bench.controller));
    }
  }

  @Test
  void whicheverCallFailsResetLeavesADeviceThatAnotherResetRevives() {
    bench.initialized();
    for (int call = 1; ; call++) {
      bench.card.failCall = call;
      EfiStatus status = bench.snp.reset(false);
      bench.card.failCall = 0;
      if (status == EfiStatus.SUCCESS) {
        break;
      }
      assertEquals(EfiStatus.DEVICE_ERROR, status);
      assertEquals(EfiStatus.DEVICE_ERROR, bench.send(bench.frame(PEER, 60), 60));
    }
    ok(bench.send(bench.frame(PEER, 60), 60));
  }

  @Test
  void aKickOrRegisterThatFailsGivesTheDeviceUp() {
    bench.initialized();
    bench.card.failCall = 3; // map, map, notify
    assertEquals(EfiStatus.DEVICE_ERROR, bench.send(bench.frame(PEER, 60), 60));
    expectGivenUp(SnpCounter.REGISTER_FAILED);
  }

  @Test
  @Timeout(value = 10, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void aDeviceThatFillsABufferAsFastAsItGetsItBackDoesNotHoldTheDriver() {
    bench.initialized();
    bench.driversMemory.onAcquire = address -> bench.card.deliver(bench.frame(PEER, 60), 60);
    assertEquals(EfiStatus.NOT_READY, bench.receive(TARGET));
    assertTrue(bench.count(SnpCounter.RX_FILTERED) <= 64);
  }

  @Test
  void aFloodThatTheFilterDropsEndsTheLookAfterAsManyFramesAsThereAreBuffers() {
    bench.initialized();
    for (int i = 0; i < 64; i++) {
      assertTrue(bench.card.deliver(bench.frame(PEER, 60), 60));
    }
    assertEquals(EfiStatus.NOT_READY, bench.receive(TARGET));
    assertEquals(64, bench.count(SnpCounter.RX_FILTERED));
    assertEquals(64, bench.card.available(RX));
  }
}
