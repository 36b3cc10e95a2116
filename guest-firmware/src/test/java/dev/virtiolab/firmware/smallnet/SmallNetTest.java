package dev.virtiolab.firmware.smallnet;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.fixture.device.FakeVirtioDevice;
import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The small driver against a fake card that reaches only what is mapped for it, and says so. */
class SmallNetTest {
  private static final int RX = FakeVirtioDevice.RX;
  private static final int TX = FakeVirtioDevice.TX;
  private static final int SLOTS = 8;
  private static final long RAM_BYTES = 16L << 20;
  private static final int MOST_CALLS = 200;

  private final FlatCpuMemory memory = new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8));
  private final DxeCore core = new DxeCore(memory, new VirtualClock(), HandOffs.withRam(RAM_BYTES));
  private final FakeVirtioDevice card = new FakeVirtioDevice(core, memory);
  private final long pagesBefore = pagesInUse();
  private SmallNet driver = new SmallNet(core, memory, card);

  private void start() {
    card.features |= FakeVirtioDevice.F_ACCESS_PLATFORM;
    assertEquals(EfiStatus.SUCCESS, driver.start());
  }

  @Test
  void startsWithEveryReceiveBufferPostedAndTheCardLive() {
    start();
    assertTrue(card.isLive());
    assertEquals(SLOTS, card.available(RX));
    assertEquals(
        FakeVirtioDevice.F_VERSION_1 | FakeVirtioDevice.F_ACCESS_PLATFORM, card.negotiated());
  }

  @Test
  void aCardWithoutAccessPlatformIsRefusedWhereItIsRequired() {
    driver.requireAccessPlatform();
    assertEquals(EfiStatus.UNSUPPORTED, driver.start());
    assertFalse(card.isLive());
    driver.stop();
    assertEquals(pagesBefore, pagesInUse());
    start();
  }

  @Test
  void transmitTakesNothingBack() {
    start();
    int open = card.openMappings();
    for (int i = 1; i <= 3; i++) {
      assertEquals(EfiStatus.SUCCESS, driver.transmit(frame(60)));
      card.complete(TX, card.pop(TX), 0);
      assertEquals(open + i, card.openMappings());
    }
  }

  @Test
  void aFrameIsTheDevicesUntilItIsReclaimed() {
    start();
    byte[] frame = frame(1514);
    int open = card.openMappings();

    assertEquals(EfiStatus.SUCCESS, driver.transmit(frame));
    assertEquals(1, card.available(TX));
    assertEquals(open + 1, card.openMappings());
    assertEquals(0, driver.reclaim(), "the device is not done");

    int head = card.pop(TX);
    assertEquals(SmallNet.HEADER_BYTES + frame.length, card.lengthOf(TX, head, 0));
    byte[] seen = new byte[SmallNet.HEADER_BYTES + frame.length];
    memory.read(card.bufferOf(TX, head, 0), MemorySegment.ofArray(seen), 0, seen.length);
    assertArrayEquals(new byte[SmallNet.HEADER_BYTES], Arrays.copyOf(seen, SmallNet.HEADER_BYTES));
    assertArrayEquals(frame, Arrays.copyOfRange(seen, SmallNet.HEADER_BYTES, seen.length));

    card.complete(TX, head, 0);
    assertEquals(open + 1, card.openMappings(), "one in flight, one completed and not reclaimed");
    assertEquals(1, driver.reclaim());
    assertEquals(open, card.openMappings());
  }

  @Test
  void noMoreFramesAreInFlightThanThereAreSlots() {
    start();
    for (int i = 0; i < SLOTS; i++) {
      assertEquals(EfiStatus.SUCCESS, driver.transmit(frame(60)));
    }
    assertEquals(EfiStatus.NOT_READY, driver.transmit(frame(60)));
    card.complete(TX, card.pop(TX), 0);
    assertEquals(1, driver.reclaim());
    assertEquals(EfiStatus.SUCCESS, driver.transmit(frame(60)));
  }

  @Test
  void aReceivedFrameIsHandedOverAndItsBufferPostedAgain() {
    start();
    for (int round = 0; round < 3 * SLOTS; round++) {
      byte[] frame = frame(60 + round);
      deliver(frame, SmallNet.HEADER_BYTES + frame.length);
      assertArrayEquals(frame, driver.receive().orElseThrow());
      assertEquals(SLOTS, card.available(RX));
    }
    assertTrue(driver.receive().isEmpty());
  }

  @Test
  void aDeviceThatSaysItWroteMoreThanItWasGivenIsNotBelieved() {
    start();
    deliver(frame(60), -1);
    assertEquals(SmallNet.MAX_FRAME_BYTES, driver.receive().orElseThrow().length);
    deliver(frame(60), 3);
    assertEquals(0, driver.receive().orElseThrow().length);
  }

  @Test
  void aUsedRingThatMakesNoSenseYieldsNothing() {
    start();
    driver.transmit(frame(60));
    card.complete(TX, 200, 0);
    card.publishUsed(RX, 1000);
    assertEquals(0, driver.reclaim());
    assertTrue(driver.receive().isEmpty());
  }

  @Test
  void stopLeavesNothingMappedAndNothingAllocated() {
    start();
    driver.transmit(frame(60));
    assertEquals(EfiStatus.SUCCESS, driver.stop());
    assertNothingLeft();
  }

  @Test
  void aStartThatFailsAnywhereLeavesNothingAfterStop() {
    int failed = 0;
    for (int call = 1; call < MOST_CALLS; call++) {
      driver = new SmallNet(core, memory, card);
      card.failCall = call;
      boolean started = !driver.start().isError();
      card.failCall = 0;
      driver.stop();
      assertNothingLeft();
      if (started) {
        break;
      }
      failed++;
    }
    assertTrue(failed > 20, "calls that can fail: " + failed);
  }

  /** The fake is the judge of what is mapped; two mistakes that it meets at once. */
  @Test
  void theFakeCardCatchesADriverThatMapsForTheWrongDirectionOrTooLittle() {
    for (Mistake mistake : List.of(Mistake.READ_FOR_WRITE, Mistake.SHORT_MAP)) {
      driver = mistake.driver().create(core, memory, card);
      assertEquals(EfiStatus.SUCCESS, driver.start());
      assertThrows(AssertionError.class, () -> card.bufferOf(RX, card.pop(RX), 0));
      driver.stop();
    }
  }

  private void deliver(byte[] frame, int length) {
    int head = card.pop(RX);
    long buffer = card.bufferOf(RX, head, 0);
    memory.fill(buffer, SmallNet.HEADER_BYTES, (byte) 0);
    memory.write(buffer + SmallNet.HEADER_BYTES, MemorySegment.ofArray(frame), 0, frame.length);
    card.complete(RX, head, length);
  }

  private static byte[] frame(int bytes) {
    byte[] frame = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      frame[i] = (byte) (i * 31 + bytes);
    }
    return frame;
  }

  private void assertNothingLeft() {
    assertFalse(card.isLive());
    assertEquals(0, card.openMappings());
    assertEquals(0, card.sharedPagesOut());
    assertEquals(pagesBefore, pagesInUse());
  }

  private long pagesInUse() {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    core.getMemoryMap(new LongRef(1 << 20), map, new LongRef());
    return map.value.stream()
        .filter(descriptor -> descriptor.type() == MemoryType.BOOT_SERVICES_DATA)
        .mapToLong(MemoryDescriptor::pages)
        .sum();
  }
}
