package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.F_MTU;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.RX;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioDevice.TX;
import static dev.virtiolab.firmware.net.NetBench.PEER;
import static dev.virtiolab.firmware.net.NetBench.STATION;
import static dev.virtiolab.firmware.net.NetBench.ok;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.NetworkStatistics;
import dev.virtiolab.firmware.uefi.Ref;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** VIRTIO_NET_F_MTU and VLAN tags: virtio v1.4, 5.1.4.1 and 5.1.4.2; IEEE 802.1Q. */
class SnpMtuTest {
  private static final int NOT_OFFERED = -1;
  private static final int ROOM = 16_384;

  private final NetBench bench = new NetBench();
  private final long frame = pages(ROOM / 4096);
  private final long target = pages(ROOM / 4096);

  private long pages(int count) {
    LongRef page = new LongRef();
    ok(
        bench.core.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, count, page));
    return page.value;
  }

  private void offer(int mtu) {
    if (mtu != NOT_OFFERED) {
      bench.card.mtu(mtu);
    }
  }

  /** A frame that differs from byte to byte, of {@code type}. */
  private long frame(MacAddress destination, int length, int type) {
    for (int i = 0; i < length; i++) {
      bench.memory.putByte(frame + i, (byte) (31 * i + 7));
    }
    MacAddresses.write(bench.memory, frame, destination.bits());
    MacAddresses.write(bench.memory, frame + 6, PEER.bits());
    bench.memory.putShort(frame + 12, Short.reverseBytes((short) type));
    return frame;
  }

  private EfiStatus send(int length, int type) {
    return bench.send(frame(PEER, length, type), length);
  }

  /** Delivers a frame, and looks whether it comes out of Receive as it was. */
  private EfiStatus receive(int length, int type) {
    assertTrue(bench.card.deliver(frame(STATION, length, type), length));
    bench.memory.fill(target, ROOM, (byte) 0x6b);
    LongRef size = new LongRef(ROOM);
    EfiStatus status = bench.snp.receive(null, size, target, null, null, null);
    if (status == EfiStatus.SUCCESS) {
      assertEquals(length, size.value);
      for (int i = 0; i < length; i++) {
        assertEquals(bench.memory.getByte(frame + i), bench.memory.getByte(target + i), "at " + i);
      }
      assertEquals((byte) 0x6b, bench.memory.getByte(target + length), "not a byte more");
    }
    return status;
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "-1,    1500, 0, 0",
    "0,     1500, 0, 1",
    "1,     1500, 0, 1",
    "67,    1500, 0, 1",
    "68,    68,   8, 0",
    "69,    69,   8, 0",
    "1280,  1280, 8, 0",
    "1499,  1499, 8, 0",
    "1500,  1500, 8, 0",
    "1501,  1501, 8, 0",
    "9000,  9000, 8, 0",
    "9216,  9216, 8, 0",
    "9217,  9216, 0, 0",
    "32768, 9216, 0, 0",
    "65535, 9216, 0, 0"
  })
  void whatTheDeviceOffersIsAnsweredAndFramesOfThatSizePassBothWays(
      int offered, int mtu, long accepted, int lies) {
    offer(offered);
    bench.connected();
    assertEquals(mtu, bench.snp.mode().maxPacketSize, "known before Start");
    assertEquals(lies, bench.count(SnpCounter.LIE_MTU));
    ok(bench.snp.start());
    ok(bench.snp.initialize(0, 0));
    assertEquals(mtu, bench.snp.mode().maxPacketSize);
    assertEquals(accepted, bench.card.negotiated() & F_MTU);
    assertEquals(bench.card.negotiated(), bench.counters.negotiatedFeatures());
    for (int type : new int[] {0x0800, 0x86dd}) {
      ok(send(mtu + 14, type));
      assertEquals(EfiStatus.INVALID_PARAMETER, send(mtu + 15, type));
      assertEquals(EfiStatus.INVALID_PARAMETER, send(mtu + 18, type));
      ok(receive(mtu + 14, type));
      assertEquals(EfiStatus.NOT_READY, receive(mtu + 15, type));
      assertEquals(EfiStatus.NOT_READY, receive(mtu + 18, type));
    }
    for (int type : new int[] {0x8100, 0x88a8}) {
      ok(send(mtu + 18, type));
      assertEquals(EfiStatus.INVALID_PARAMETER, send(mtu + 19, type));
      ok(receive(mtu + 18, type));
    }
    assertEquals(4, bench.count(SnpCounter.RX_GIANT));
    assertEquals(4, bench.card.transmitAll());
    assertEquals(64, bench.card.available(RX), "each buffer is the device's again");
  }

  @ParameterizedTest
  @ValueSource(ints = {NOT_OFFERED, 0, 68, 1280, 1500, 9000, 9216, 65535})
  void aBufferHasRoomForATaggedFrameAndNoMore(int offered) {
    offer(offered);
    bench.initialized();
    int mtu = bench.snp.mode().maxPacketSize;
    long first = 0;
    for (int buffer = 0; buffer < 64; buffer++) {
      int head = bench.card.pop(RX);
      assertEquals(12, bench.card.lengthOf(RX, head, 0));
      assertEquals(14 + 4 + mtu, bench.card.lengthOf(RX, head, 1));
      long header = bench.card.bufferOf(RX, head, 0);
      assertEquals(header + 12, bench.card.bufferOf(RX, head, 1), "one run of memory");
      assertEquals(0, header % 64);
      if (buffer == 0) {
        first = header;
      }
      int stride = (12 + 14 + 4 + mtu + 63) / 64 * 64;
      assertEquals(first + (long) buffer * stride, header, "no two overlap");
    }
    assertEquals(-1, bench.card.pop(RX));
  }

  @ParameterizedTest
  @CsvSource({"68, 2", "1500, 24", "9000, 142", "9216, 145", "65535, 145"})
  void theReceiveAreaIsBoundedAndGivenBack(int offered, int pages) {
    offer(offered);
    bench.connected();
    ok(bench.snp.start());
    long before = bench.pagesInUse();
    ok(bench.snp.initialize(0, 0));
    assertEquals(2 * 3 + pages, bench.card.sharedPagesOut(), "two rings, and the area");
    ok(bench.snp.shutdown());
    assertEquals(0, bench.card.sharedPagesOut());
    assertEquals(0, bench.card.openMappings());
    assertEquals(before, bench.pagesInUse());
  }

  @Test
  void aUsedLengthPastTheBufferIsALieAtAnyMtu() {
    bench.card.mtu(9000);
    bench.initialized();
    int head = bench.card.pop(RX);
    bench.card.complete(RX, head, 12 + 9018 + 1);
    assertEquals(EfiStatus.DEVICE_ERROR, bench.receive(target));
    assertEquals(1, bench.count(SnpCounter.LIE_RX_LENGTH));
  }

  @Test
  void theHeaderThatTransmitFillsInMayBeOneOfATaggedFrame() {
    bench.initialized();
    long at = frame(PEER, 1518, 0x0800);
    assertEquals(
        EfiStatus.INVALID_PARAMETER,
        bench.snp.transmit(14, 1518, at, null, PEER, new IntRef(0x0800)));
    ok(bench.snp.transmit(14, 1518, at, null, PEER, new IntRef(0x8100)));
    assertEquals(0x0081, bench.memory.getShort(at + 12));
    assertEquals(
        EfiStatus.INVALID_PARAMETER,
        bench.snp.transmit(14, 1518, at, null, PEER, null),
        "what is in the buffer is not the frame's type");
    assertEquals(1518, bench.card.lengthOf(TX, bench.card.pop(TX), 1));
  }

  @Test
  void aClientWithoutRoomForTheTagIsToldAndTheFrameStays() {
    bench.initialized();
    assertTrue(bench.card.deliver(frame(STATION, 1518, 0x8100), 1518));
    LongRef size = new LongRef(1514);
    assertEquals(
        EfiStatus.BUFFER_TOO_SMALL, bench.snp.receive(null, size, target, null, null, null));
    assertEquals(1518, size.value);
    ok(bench.snp.receive(null, size, target, null, null, null));
  }

  @Test
  void theMtuIsReadOnceInEachNegotiation() {
    bench.card.mtu(9000);
    bench.connected();
    assertEquals(1, bench.card.mtuReads());
    ok(bench.snp.start());
    ok(bench.snp.initialize(0, 0));
    assertEquals(2, bench.card.mtuReads());
    ok(send(9014, 0x0800));
    ok(receive(9014, 0x0800));
    ok(bench.snp.getStatus(new IntRef(), new LongRef()));
    assertEquals(2, bench.card.mtuReads());
    ok(bench.snp.reset(false));
    assertEquals(3, bench.card.mtuReads());
  }

  @Test
  void aDeviceThatOffersNoneIsNotAsked() {
    bench.initialized();
    assertEquals(0, bench.card.mtuReads());
  }

  @ParameterizedTest
  @ValueSource(ints = {68, 1500, 8999, 9001, 65535, 0})
  void anMtuThatChangesWhileTheInterfaceIsUpCountsForNothing(int changed) {
    bench.card.mtu(9000);
    bench.initialized();
    bench.card.mtu(changed);
    assertEquals(9000, bench.snp.mode().maxPacketSize);
    ok(send(9014, 0x0800));
    ok(receive(9018, 0x8100));
  }

  @ParameterizedTest
  @ValueSource(ints = {68, 1500, 8999, 9001, 65535, 0})
  void anotherMtuAfterAResetIsADeviceErrorUntilItIsBroughtUpAnew(int changed) {
    bench.card.mtu(9000);
    bench.initialized();
    bench.card.mtu(changed);
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.reset(false));
    assertTrue(bench.count(SnpCounter.LIE_MTU) >= 1);
    assertEquals(0, bench.card.status(), "reset, not left half awake");
    assertEquals(EfiStatus.DEVICE_ERROR, send(60, 0x0800));
    assertEquals(9000, bench.snp.mode().maxPacketSize, "what the client has seen");
    bench.card.mtu(9000);
    ok(bench.snp.reset(false));
    ok(receive(9014, 0x0800));
    bench.card.mtu(changed);
    ok(bench.snp.shutdown());
    ok(bench.snp.initialize(0, 0));
    int mtu = changed < 68 ? 1500 : Math.min(changed, 9216);
    assertEquals(mtu, bench.snp.mode().maxPacketSize);
    ok(receive(mtu + 14, 0x0800));
    assertEquals(EfiStatus.INVALID_PARAMETER, send(mtu + 15, 0x0800));
    ok(bench.snp.shutdown());
    assertEquals(0, bench.card.sharedPagesOut());
  }

  @Test
  void aDeviceThatNoLongerOffersItAfterAResetIsOneThatChangedIt() {
    bench.card.mtu(9000);
    bench.initialized();
    bench.card.features &= ~F_MTU;
    assertEquals(EfiStatus.DEVICE_ERROR, bench.snp.reset(false));
    assertEquals(1, bench.count(SnpCounter.LIE_MTU));
  }

  /** Whatever fails in bring-up with jumbo buffers is undone. */
  @Test
  void everyCallThatFailsInBringUpLeavesNothingBehind() {
    bench.card.mtu(9000);
    bench.connected();
    ok(bench.snp.start());
    long before = bench.pagesInUse();
    int failures = 0;
    for (int call = 1; ; call++) {
      bench.card.failCall = call;
      EfiStatus status = bench.snp.initialize(0, 0);
      bench.card.failCall = 0;
      if (status == EfiStatus.SUCCESS) {
        break;
      }
      failures++;
      assertEquals(before, bench.pagesInUse());
      assertEquals(0, bench.card.openMappings());
      assertEquals(0, bench.card.status());
    }
    assertTrue(failures > 20, "calls that can fail: " + failures);
    ok(receive(9014, 0x0800));
  }

  @Test
  void aLongerFrameIsOversizeInTheStatistics() {
    bench.initialized();
    assertEquals(EfiStatus.NOT_READY, receive(1515, 0x0800));
    ok(receive(1514, 0x0800));
    Ref<NetworkStatistics> table = new Ref<>();
    ok(bench.snp.statistics(false, new LongRef(NetworkStatistics.SIZE), table));
    assertEquals(1, table.value.rxOversizeFrames());
    assertEquals(2, table.value.rxTotalFrames());
    assertEquals(1, table.value.rxGoodFrames());
    assertEquals(1515 + 1514, table.value.rxTotalBytes());
    assertNotEquals(0, bench.card.available(RX));
  }
}
