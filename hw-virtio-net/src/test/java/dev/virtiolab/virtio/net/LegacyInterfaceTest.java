package dev.virtiolab.virtio.net;

import static dev.virtiolab.virtio.fixture.LegacyDriver.CONFIG;
import static dev.virtiolab.virtio.fixture.LegacyDriver.CONFIG_VECTOR;
import static dev.virtiolab.virtio.fixture.LegacyDriver.DEVICE_FEATURES;
import static dev.virtiolab.virtio.fixture.LegacyDriver.DRIVER_FEATURES;
import static dev.virtiolab.virtio.fixture.LegacyDriver.MAC_AND_STATUS;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_PFN;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_SELECT;
import static dev.virtiolab.virtio.fixture.LegacyDriver.QUEUE_VECTOR;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.Offload;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.LegacyDriver;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.TestNic;
import dev.virtiolab.virtio.transport.DeviceKind;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Drivers of the legacy interface, those that keep its rules and those that do not. */
class LegacyInterfaceTest {
  private static final long MRG_RXBUF = FeatureBits.VIRTIO_NET_F_MRG_RXBUF;
  private static final long EVENT_IDX = FeatureBits.VIRTIO_F_EVENT_IDX;
  private static final long NOTIFY_ON_EMPTY = FeatureBits.VIRTIO_F_NOTIFY_ON_EMPTY;
  private static final int MSIX = 0x98;

  private TestNic nic = TestNic.of(DeviceKind.TRANSITIONAL);
  private LegacyDriver driver = new LegacyDriver(nic);

  @AfterEach
  void close() {
    nic.close();
  }

  private void use(TestNic other) {
    nic.close();
    nic = other;
    driver = new LegacyDriver(nic);
  }

  // ---- drivers that keep the rules

  @ParameterizedTest
  @EnumSource(names = {"TRANSITIONAL", "LEGACY"})
  void framesGoBothWays(DeviceKind kind) {
    use(TestNic.of(kind));
    assertTrue(driver.works(MAC_AND_STATUS));
    assertTrue(driver.works(MAC_AND_STATUS | EVENT_IDX | FeatureBits.VIRTIO_F_INDIRECT_DESC));
    assertTrue(driver.works(MAC_AND_STATUS | MRG_RXBUF));
    assertEquals(Features.of(MAC_AND_STATUS | MRG_RXBUF), nic.function.negotiatedFeatures());
    assertTrue(driver.works(0));
  }

  /** 2.2.3: who accepts VERSION_1 is no legacy driver, on whichever device. */
  @Test
  void modernAndLegacyDriversTakeTurnsOnATransitionalDevice() {
    assertTrue(nic.works(TestNic.BASIC));
    assertTrue(driver.works(MAC_AND_STATUS));
    assertTrue(nic.works(TestNic.BASIC | MRG_RXBUF));
    assertTrue(driver.works(MAC_AND_STATUS));
    assertTrue(nic.works(TestNic.BASIC), "the header has 12 bytes again");
  }

  /** 5.1.6.1: num_buffers is there only with MRG_RXBUF. */
  @ParameterizedTest
  @CsvSource({"0, 10", "0x8000, 12"})
  void headerIsTwoBytesShorterWithoutMergedBuffers(String features, int bytes) {
    driver.start(MAC_AND_STATUS | Long.decode(features));
    assertEquals(bytes, driver.headerBytes());
    byte[] frame = TestNic.frame(60, 3);
    nic.ram.asSlice(TestNic.rxBuffer(0), 100).fill((byte) 0xee);
    nic.receiveRing().begin().writable(TestNic.rxBuffer(0), 100).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(frame);
    nic.device.poll(8);
    assertTrue(nic.receiveRing().poll());
    assertEquals(bytes + frame.length, nic.receiveRing().usedLength());
    assertArrayEquals(frame, nic.bytes(TestNic.rxBuffer(0) + bytes, frame.length));
    byte[] header = nic.bytes(TestNic.rxBuffer(0), bytes);
    assertArrayEquals(new byte[10], Arrays.copyOf(header, 10));
    // A frame that just fits, and one byte more.
    nic.receiveRing().begin().writable(TestNic.rxBuffer(1), 100).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(100 - bytes, 1));
    nic.device.poll(8);
    assertTrue(nic.receiveRing().poll());
    assertEquals(100, nic.receiveRing().usedLength());
    // A transmit buffer shorter than the header.
    nic.transmitRing().begin().readable(TestNic.TX_BUFFERS, bytes - 1).offer();
    nic.transmitRing().publish();
    driver.kick(1);
    nic.device.poll(8);
    assertEquals(1, nic.device.counters().drops(Drop.TX_SHORT_HEADER));
  }

  /** 5.1.3.2: VIRTIO_NET_F_GSO stands for every kind of GSO. */
  @Test
  void gsoIsAnyKindOfSegmentation() {
    long csum = FeatureBits.VIRTIO_NET_F_CSUM;
    driver.start(MAC_AND_STATUS | csum);
    assertEquals(0, sendTcpToBeCut());
    assertEquals(1, nic.device.counters().drops(Drop.TX_OFFLOAD));
    driver.start(MAC_AND_STATUS | csum | FeatureBits.VIRTIO_NET_F_GSO);
    assertEquals(3, sendTcpToBeCut());
    assertEquals(1, nic.device.counters().drops());
  }

  private int sendTcpToBeCut() {
    byte[] frame = Packets.partial(4, 0, 0, Packets.TCP, 0x18, TestNic.frame(4000, 7));
    int before = nic.wire.sentCount();
    long at = TestNic.TX_BUFFERS;
    driver.offer(frame);
    nic.ram.set(ValueLayout.JAVA_BYTE, at, (byte) 1);
    nic.ram.set(ValueLayout.JAVA_BYTE, at + 1, (byte) Offload.GSO_TCPV4);
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 4, (short) 1400);
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 6, (short) 34);
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 8, (short) 16);
    driver.kick(1);
    nic.device.poll(8);
    return nic.wire.sentCount() - before;
  }

  @Test
  void gsoIsNotOfferedWithoutAllThatItStandsFor() {
    long gso = FeatureBits.VIRTIO_NET_F_GSO;
    assertEquals(gso, driver.read(DEVICE_FEATURES, 4) & gso);
    Features withoutUfo = NetFeatures.USUAL.without(FeatureBits.VIRTIO_NET_F_HOST_UFO);
    use(TestNic.of(DeviceKind.TRANSITIONAL, config(OptionalInt.empty()).withFeatures(withoutUfo)));
    assertEquals(0, driver.read(DEVICE_FEATURES, 4) & gso);
  }

  /** 3.1.2: "MUST support the driver using the device before the step 8". */
  @Test
  void kickBeforeDriverOkRunsTheDevice() {
    driver.negotiate(MAC_AND_STATUS);
    driver.setUp(0, false);
    driver.setUp(1, false);
    byte[] frame = TestNic.frame(60, 1);
    driver.send(frame);
    nic.device.poll(8);
    assertArrayEquals(frame, nic.wire.sent().getFirst());
    assertTrue(nic.transmitRing().poll());
    assertEquals(3, driver.status());
    driver.status(7);
    driver.send(frame);
    nic.device.poll(8);
    assertEquals(2, nic.wire.sentCount());
  }

  /** 3.1.2: "sometimes even before writing the feature bits". */
  @Test
  void featuresMayComeAfterTheFirstUseAndHoldFromDriverOkOn() {
    driver.status(0);
    driver.status(3);
    driver.setUp(0, false);
    driver.setUp(1, false);
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(1, nic.wire.sentCount());
    driver.write(DRIVER_FEATURES, 4, MAC_AND_STATUS | MRG_RXBUF);
    assertEquals(Features.of(MAC_AND_STATUS | MRG_RXBUF), nic.function.negotiatedFeatures());
    driver.status(7);
    driver.write(DRIVER_FEATURES, 4, MAC_AND_STATUS);
    assertEquals(Features.of(MAC_AND_STATUS | MRG_RXBUF), nic.function.negotiatedFeatures());
    assertEquals(MAC_AND_STATUS | MRG_RXBUF, driver.read(DRIVER_FEATURES, 4));
  }

  /** edk2 places its queues first, and writes its features last. */
  @Test
  void queuesMayBePlacedBeforeTheFeaturesAreWritten() {
    driver.status(0);
    driver.status(3);
    driver.setUp(0, false);
    driver.setUp(1, false);
    driver.write(DRIVER_FEATURES, 4, MAC_AND_STATUS);
    driver.status(7);
    byte[] frame = TestNic.frame(60, 1);
    driver.send(frame);
    nic.device.poll(8);
    assertArrayEquals(frame, nic.wire.sent().getFirst());
  }

  @Test
  void driverThatHasNotLookedAtTheFeaturesIsTakenForAnOldOne() {
    driver.negotiate(0xffff_ffffL);
    assertEquals(0x3821, driver.read(DRIVER_FEATURES, 4));
    assertTrue(driver.works(0xffff_ffffL & ~MRG_RXBUF), "with headers of 10 bytes");
  }

  /** Chapter 6, NOTIFY_ON_EMPTY: "even though notifications are suppressed". */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void queueThatRunsEmptyInterruptsWhatIsSuppressed(boolean eventIdx) {
    long features = MAC_AND_STATUS | (eventIdx ? EVENT_IDX : 0);
    driver.start(features);
    nic.transmitRing().disableInterrupts();
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertFalse(nic.pin.asserted());

    driver.start(features | NOTIFY_ON_EMPTY);
    nic.transmitRing().disableInterrupts();
    for (int i = 0; i < 3; i++) {
      driver.offer(TestNic.frame(60, 1));
    }
    driver.kick(1);
    nic.device.poll(2);
    assertFalse(nic.pin.asserted(), "there is more");
    nic.device.poll(2);
    assertTrue(nic.pin.asserted());
    assertEquals(1, driver.isr());
  }

  // ---- configuration

  @Test
  void configurationIsReadInAnyWidth() {
    byte[] mac = TestNic.MAC;
    for (int width : new int[] {1, 2, 4}) {
      for (int at = 0; at + width <= 8; at++) {
        long expected = 0;
        for (int i = width - 1; i >= 0; i--) {
          int octet = at + i < 6 ? mac[at + i] & 0xff : at + i == 6 ? 1 : 0;
          expected = expected << 8 | octet;
        }
        assertEquals(expected, driver.read(CONFIG + at, width), at + "/" + width);
      }
    }
  }

  @Test
  void barHasRoomForTheConfigurationBehindTheVectors() {
    assertEquals(32, nic.function.bars().getFirst().bytes());
    use(TestNic.of(DeviceKind.TRANSITIONAL, config(OptionalInt.of(1400))));
    assertEquals(64, nic.function.bars().getFirst().bytes());
    assertEquals(1400, driver.read(CONFIG + 10, 2));
    nic.function.configWrite(MSIX + 2, 2, 0x8000);
    assertEquals(1400, driver.read(CONFIG + 4 + 10, 2));
    assertEquals(0xffff, driver.read(CONFIG + 4 + 12, 2));
  }

  private static VirtioNet.Config config(OptionalInt mtu) {
    return new VirtioNet.Config(TestNic.MAC, mtu, false, false);
  }

  /** 5.1.4.3 "Legacy Interface: Device configuration layout". */
  @Test
  void addressIsTheDriversToWriteUntilReset() {
    driver.start(MAC_AND_STATUS);
    byte[] address = {2, 0, 0, 0, 0, 9};
    for (int i = 0; i < address.length; i++) {
      driver.write(CONFIG + i, 1, address[i]);
    }
    assertArrayEquals(address, nic.mac());
    driver.status(0);
    assertArrayEquals(TestNic.MAC, nic.mac());
  }

  // ---- interrupts

  /** 4.1.4.5: reading ISR status clears it, and takes the level back, by either interface. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void pinStaysUpUntilIsrStatusIsRead(boolean legacy) {
    if (legacy) {
      driver.start(MAC_AND_STATUS);
      driver.offerReceive(0);
    } else {
      nic.start(TestNic.BASIC);
      nic.offerReceive(0, 1);
    }
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertTrue(nic.pin.asserted());
    assertEquals(8, nic.function.configRead(6, 2) & 8, "Interrupt Status");
    // Either interface shows one and the same.
    assertEquals(1, legacy ? nic.isr() : driver.isr());
    assertFalse(nic.pin.asserted());
    assertEquals(0, nic.function.configRead(6, 2) & 8);
    assertEquals(0, driver.isr());
    assertEquals(0, nic.isr());

    nic.device.setLink(false);
    nic.device.poll(8);
    assertTrue(nic.pin.asserted());
    assertEquals(3, driver.isr());
    assertEquals(List.of(true, false, true, false), nic.pin.levels());
  }

  @Test
  void interruptDisableHoldsTheLevelBackAndIsrStatusKeepsIt() {
    driver.start(MAC_AND_STATUS);
    nic.function.configWrite(4, 2, 7 | 1 << 10);
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertFalse(nic.pin.asserted());
    nic.function.configWrite(4, 2, 7);
    assertTrue(nic.pin.asserted());
    // A reset in the midst of it lowers it, too.
    driver.write(QUEUE_PFN, 4, 0);
    assertFalse(nic.pin.asserted());
    assertEquals(0, driver.isr());
  }

  @Test
  void vectorsThatAreSetThroughPortsAreSignalled() {
    nic.function.configWrite(MSIX + 2, 2, 0x8000);
    for (int vector = 0; vector < 4; vector++) {
      nic.function.barWrite(1, 16L * vector, 4, 0xfee0_0000L);
      nic.function.barWrite(1, 16L * vector + 8, 4, 100 + vector);
      nic.function.barWrite(1, 16L * vector + 12, 4, 0);
    }
    driver.start(MAC_AND_STATUS);
    driver.write(CONFIG_VECTOR, 2, 3);
    driver.write(QUEUE_SELECT, 2, 1);
    driver.write(QUEUE_VECTOR, 2, 2);
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(102, nic.messages.messages().getLast().data());
    nic.device.setLink(false);
    nic.device.poll(8);
    assertEquals(103, nic.messages.messages().getLast().data());
    assertFalse(nic.pin.asserted());
    // Off in the midst of it: the fields move back, and what there is goes by the pin.
    nic.function.configWrite(MSIX + 2, 2, 0);
    assertEquals(0x52, driver.read(CONFIG, 1));
    driver.isr();
    nic.device.setLink(true);
    nic.device.poll(8);
    assertTrue(nic.pin.asserted());
    assertEquals(2, nic.messages.messages().size());
  }

  // ---- drivers that break the rules

  @Test
  void queueWhereNoMemoryIsBreaksTheDeviceUntilReset() {
    driver.start(MAC_AND_STATUS);
    for (long pfn : new long[] {0x400, 0xf_ffff, 0x10_0000, 0xffff_ffffL}) {
      driver.negotiate(MAC_AND_STATUS);
      driver.write(QUEUE_SELECT, 2, 1);
      driver.write(QUEUE_PFN, 4, pfn);
      driver.status(7);
      driver.kick(1);
      nic.device.poll(8);
      assertEquals(0x47, driver.status(), Long.toHexString(pfn));
      assertTrue(driver.works(MAC_AND_STATUS));
    }
  }

  @Test
  void ringsThatEndBeyondMemoryBreakTheDevice() {
    driver.negotiate(MAC_AND_STATUS);
    driver.write(QUEUE_SELECT, 2, 1);
    // Descriptors and available ring are the last two pages; the used ring is past the end.
    driver.write(QUEUE_PFN, 4, TestNic.RAM_BYTES / 4096 - 2);
    driver.status(7);
    driver.kick(1);
    nic.ram.set(ValueLayout.JAVA_SHORT, TestNic.RAM_BYTES - 4096 + 2, (short) 1);
    nic.device.poll(8);
    assertEquals(0x47, driver.status());
    assertTrue(driver.works(MAC_AND_STATUS));
  }

  @Test
  void queueThatRunsStaysWhereItIs() {
    driver.start(MAC_AND_STATUS);
    long pfn = nic.transmitRing().descriptorArea() >>> 12;
    driver.write(QUEUE_SELECT, 2, 1);
    driver.write(QUEUE_PFN, 4, 0x99);
    assertEquals(pfn, driver.read(QUEUE_PFN, 4));
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(1, nic.wire.sentCount());
  }

  @Test
  void kickOfNobodyDoesNotStartTheDevice() {
    driver.status(0);
    driver.setUp(1, false);
    driver.status(1);
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(0, nic.wire.sentCount(), "there is no driver");
    assertEquals(0, nic.transmitRing().usedIdx());
    driver.status(3);
    driver.status(0x83);
    driver.kick(1);
    nic.device.poll(8);
    assertEquals(0, nic.wire.sentCount(), "it has failed");
  }

  /** Status, features and queues are one and the same; the mode is the first agreement's. */
  @Test
  void oneInterfaceDoesNotUndoWhatWasAgreedThroughTheOther() {
    nic.start(TestNic.BASIC);
    driver.write(DRIVER_FEATURES, 4, MAC_AND_STATUS);
    driver.status(0xf);
    assertEquals(Features.of(TestNic.BASIC), nic.function.negotiatedFeatures());
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(1, nic.wire.sentCount(), "its header has 12 bytes");
    // There is no FEATURES_OK on this side: it cannot be set, and writing without it takes it away.
    driver.status(7);
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(1, nic.wire.sentCount());
    driver.kick(1);
    nic.device.poll(8);
    assertEquals(1, nic.wire.sentCount());

    driver.start(MAC_AND_STATUS);
    nic.accept(TestNic.BASIC);
    nic.status(0xf);
    assertEquals(7, nic.status(), "FEATURES_OK does not stick");
    assertEquals(Features.of(MAC_AND_STATUS), nic.function.negotiatedFeatures());
    driver.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(2, nic.wire.sentCount());
  }

  /** What one interface stores unseen, the other does not take for agreed. */
  @Test
  void featuresThatAreNotOfferedDoNotComeInByTheOtherInterface() {
    driver.status(0);
    driver.status(3);
    // MTU, MQ and some of the high word.
    nic.accept(0xffff_ffff_ffff_ffffL);
    driver.status(7);
    long offered = driver.read(DEVICE_FEATURES, 4);
    assertEquals(Features.NONE, nic.function.negotiatedFeatures().without(offered));
    assertFalse(nic.function.negotiatedFeatures().has(FeatureBits.VIRTIO_NET_F_MTU));
  }

  @Test
  void legacyInterfaceCannotBeWithAccessPlatformNorOnALegacyExpressFunction() {
    VirtioNet.Config translated =
        new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), true, false);
    for (DeviceKind kind : List.of(DeviceKind.TRANSITIONAL, DeviceKind.LEGACY)) {
      assertThrows(IllegalArgumentException.class, () -> TestNic.of(kind, translated));
    }
    VirtioNet device = new VirtioNet(config(OptionalInt.empty()), nic.wire);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            VirtioPciFunction.of(
                DeviceKind.LEGACY,
                true,
                device,
                nic.memory.busView(),
                nic.memory.busView(),
                nic.messages,
                nic.pin));
  }

  @Test
  void randomPortsAndRingsNeverThrowAndResetMendsAll() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("LegacyInterfaceTest -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          for (int round = 0; round < 40; round++) {
            assertTrue(driver.works(MAC_AND_STATUS), "before round " + round + ", seed=" + seed);
            for (int step = 0; step < 1000; step++) {
              misbehave(random);
            }
            nic.function.configWrite(MSIX + 2, 2, 0);
            nic.enable();
            nic.device.setLink(true);
          }
          assertTrue(driver.works(MAC_AND_STATUS), "seed=" + seed);
          assertTrue(nic.works(TestNic.BASIC), "seed=" + seed);
        });
    assertTrue(nic.device.counters().breakdowns() > 0, "it should have broken something");
  }

  private void misbehave(SplittableRandom random) {
    int width = 1 << random.nextInt(4);
    DriverRing ring = nic.rings[random.nextInt(2)];
    switch (random.nextInt(14)) {
      case 0 -> driver.read(random.nextInt(40), width);
      case 1 -> driver.write(random.nextInt(40), width, random.nextLong());
      case 2 -> driver.write(random.nextInt(24), width, random.nextInt(8));
      case 3 -> driver.write(QUEUE_PFN, 4, random.nextInt(0x420));
      case 4 -> driver.write(DRIVER_FEATURES, 4, random.nextInt());
      case 5 -> driver.status(random.nextInt(1, 16));
      case 6 -> driver.kick(random.nextInt(4));
      case 7 -> nic.write(random.nextInt(0x40), width, random.nextInt(16));
      case 8 -> nic.function.configWrite(MSIX + 2, 2, random.nextInt() & 0xc000);
      case 9 -> ring.rawAvailIdx(random.nextInt(4));
      case 10 -> ring.rawAvailEntry(random.nextInt(4), random.nextInt(300));
      case 11 ->
          ring.rawDescriptor(
              random.nextInt(4),
              random.nextLong(TestNic.RAM_BYTES + 0x1000),
              random.nextInt(3000),
              random.nextInt(8),
              random.nextInt(8));
      case 12 -> nic.wire.deliver(TestNic.frame(60 + random.nextInt(100), 1));
      default -> nic.device.poll(8);
    }
  }
}
