package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.TestNic;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Frames, features, interrupts and the link, with a driver that keeps the rules. */
class VirtioNetTest {
  private static final long MODERN =
      FeatureBits.VIRTIO_F_VERSION_1
          | FeatureBits.VIRTIO_F_EVENT_IDX
          | FeatureBits.VIRTIO_F_INDIRECT_DESC;

  private static final long NOWHERE = 0xffff_ffff_f000L;

  private TestNic nic = TestNic.conventional();

  @AfterEach
  void close() {
    nic.close();
  }

  // ---- transmit

  @Test
  void frameGoesOutWithoutItsHeader() {
    nic.start(TestNic.BASIC);
    byte[] frame = TestNic.frame(60, 1);
    nic.send(frame);
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(frame, nic.wire.sent().getFirst());
    assertTrue(nic.transmitRing().poll());
    assertEquals(0, nic.transmitRing().usedLength());
    assertEquals(1, nic.device.counters().framesSent());
    assertEquals(60, nic.device.counters().bytesSent());
  }

  @Test
  void frameMayBeScatteredAsTheDriverLikes() {
    nic.start(MODERN);
    byte[] frame = TestNic.frame(300, 3);
    nic.putFrame(TestNic.TX_BUFFERS, frame);
    // 5 bytes of header; 7 of header and 1 of frame; the rest: indirect (2.7.4: no framing).
    nic.transmitRing()
        .beginIndirect(TestNic.TX_BUFFERS + 0x8000)
        .readable(TestNic.TX_BUFFERS, 5)
        .readable(TestNic.TX_BUFFERS + 5, 8)
        .readable(TestNic.TX_BUFFERS + 13, 299)
        .offer();
    nic.publishTransmit();
    nic.device.poll(8);
    assertArrayEquals(frame, nic.wire.sent().getFirst());
  }

  @Test
  void batchIsPublishedFlushedAndSignalledOnce() {
    nic.start(TestNic.BASIC);
    nic.putFrame(TestNic.TX_BUFFERS, TestNic.frame(60, 1));
    for (int i = 0; i < 20; i++) {
      nic.transmitRing().begin().readable(TestNic.TX_BUFFERS, 72).offer();
    }
    nic.publishTransmit();
    assertEquals(20, nic.device.poll(64));
    assertEquals(1, nic.wire.flushes());
    assertEquals(20, nic.wire.lastBatch());
    assertEquals(1, nic.device.queueCounters(VirtioNet.TRANSMIT_QUEUE).publications());
    assertEquals(1, nic.device.counters().queueInterrupts());
  }

  @Test
  void budgetBoundsABatch() {
    nic.start(TestNic.BASIC);
    nic.putFrame(TestNic.TX_BUFFERS, TestNic.frame(60, 1));
    for (int i = 0; i < 20; i++) {
      nic.transmitRing().begin().readable(TestNic.TX_BUFFERS, 72).offer();
    }
    nic.publishTransmit();
    assertEquals(8, nic.device.poll(8));
    assertEquals(8, nic.wire.sentCount());
    assertEquals(12, nic.device.poll(64));
  }

  @Test
  void fullWireLeavesTheFrameInTheQueue() {
    nic.start(TestNic.BASIC);
    byte[] frame = TestNic.frame(60, 9);
    nic.wire.refuseAll();
    nic.send(frame);
    assertEquals(0, nic.device.poll(8));
    assertFalse(nic.transmitRing().poll(), "must not be completed");
    assertEquals(0, nic.device.counters().drops());
    assertEquals(1, nic.device.counters().heldBack());
    nic.wire.makeRoom();
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(frame, nic.wire.sent().getFirst());
    assertTrue(nic.transmitRing().poll());
  }

  @Test
  void framesThatCannotGoAreCompletedAndCountedByReason() {
    nic.start(TestNic.BASIC);
    DriverRing ring = nic.transmitRing();
    long at = TestNic.TX_BUFFERS;
    nic.putFrame(at, TestNic.frame(60, 1));
    ring.begin().readable(at, 11).offer();
    ring.begin().readable(at, 12 + 13).offer();
    ring.begin().readable(at, 12 + ScriptedBackend.DEFAULT_MAX_FRAME + 1).offer();
    ring.begin().readable(NOWHERE, 72).offer();
    ring.begin().readable(at, 12).readable(NOWHERE, 60).offer();
    ring.begin().readable(header(0x1000, 1, 0), 12).readable(at + 12, 60).offer();
    ring.begin().readable(header(0x2000, 0, 1), 12).readable(at + 12, 60).offer();
    ring.begin().readable(header(0x3000, 8, 0), 12).readable(at + 12, 60).offer();
    // Flags that the device does not know are ignored (5.1.6.2.2).
    ring.begin().readable(header(0x4000, 0xf0 | 2 | 4, 0), 12).readable(at + 12, 60).offer();
    nic.publishTransmit();
    assertEquals(1, nic.device.poll(64));
    for (int i = 0; i < 9; i++) {
      assertTrue(ring.poll(), "element " + i);
    }
    NetCounters counters = nic.device.counters();
    assertEquals(1, counters.drops(Drop.TX_SHORT_HEADER));
    assertEquals(1, counters.drops(Drop.TX_RUNT));
    assertEquals(1, counters.drops(Drop.TX_GIANT));
    assertEquals(2, counters.drops(Drop.TX_DMA_FAULT));
    assertEquals(3, counters.drops(Drop.TX_OFFLOAD));
    assertEquals(8, counters.drops());
    assertEquals(0xf, nic.status());
    assertEquals(1, nic.wire.aborts());
  }

  private long header(int offset, int flags, int gsoType) {
    long at = TestNic.TX_BUFFERS + 0x1_0000 + offset;
    nic.ram.asSlice(at, 12).fill((byte) 0);
    nic.ram.set(ValueLayout.JAVA_BYTE, at, (byte) flags);
    nic.ram.set(ValueLayout.JAVA_BYTE, at + 1, (byte) gsoType);
    return at;
  }

  // ---- receive

  @Test
  void frameComesInBehindAHeaderThatSaysOneBuffer() {
    nic.start(TestNic.BASIC);
    nic.offerReceive(0, 2);
    byte[] frame = TestNic.frame(1514, 4);
    nic.wire.deliver(frame);
    assertEquals(1, nic.device.poll(8));
    assertTrue(nic.receiveRing().poll());
    assertEquals(12 + 1514, nic.receiveRing().usedLength());
    assertArrayEquals(
        new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, nic.bytes(TestNic.rxBuffer(0), 12));
    assertArrayEquals(frame, nic.bytes(TestNic.rxBuffer(0) + 12, 1514));
    assertEquals(0, nic.wire.waiting());
  }

  @Test
  void frameWaitsOnTheWireUntilThereIsABuffer() {
    nic.start(TestNic.BASIC);
    nic.wire.deliver(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertEquals(1, nic.wire.waiting());
    assertEquals(0, nic.device.counters().drops());
    nic.offerReceive(0, 1);
    assertEquals(1, nic.device.poll(8));
    assertEquals(0, nic.wire.waiting());
  }

  @Test
  void frameLargerThanTheBufferIsDroppedAndTheBufferStays() {
    nic.start(TestNic.BASIC);
    nic.receiveRing().begin().writable(TestNic.RX_BUFFERS, 12 + 60).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(61, 1));
    nic.wire.deliver(TestNic.frame(60, 2));
    assertEquals(1, nic.device.poll(8));
    assertEquals(1, nic.device.counters().drops(Drop.RX_NO_ROOM));
    assertTrue(nic.receiveRing().poll());
    assertEquals(72, nic.receiveRing().usedLength());
    assertArrayEquals(TestNic.frame(60, 2), nic.bytes(TestNic.RX_BUFFERS + 12, 60));
  }

  @Test
  void headerOnlyBufferTakesNoFrame() {
    nic.start(TestNic.BASIC);
    nic.receiveRing().begin().writable(TestNic.RX_BUFFERS, 5).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertEquals(1, nic.device.counters().drops(Drop.RX_NO_ROOM));
    assertFalse(nic.receiveRing().poll());
    assertEquals(0xf, nic.status());
  }

  @Test
  void unreachableReceiveBufferCostsTheFrame() {
    nic.start(TestNic.BASIC);
    nic.receiveRing().begin().writable(NOWHERE, 2048).offer();
    nic.receiveRing().begin().writable(TestNic.RX_BUFFERS, 12).writable(NOWHERE, 2048).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.wire.deliver(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertEquals(2, nic.device.counters().drops(Drop.RX_DMA_FAULT));
    assertTrue(nic.receiveRing().poll());
    assertEquals(0, nic.receiveRing().usedLength());
    assertTrue(nic.receiveRing().poll());
    assertEquals(0xf, nic.status());
  }

  @Test
  void negotiatedMtuBoundsReceivedFrames() {
    reopen(new VirtioNet.Config(TestNic.MAC, OptionalInt.of(1000), false, false));
    assertEquals(1000, nic.read(TestNic.DEVICE + 0xa, 2));
    assertEquals(1, nic.read(TestNic.DEVICE + 8, 2));
    assertEquals(0xffff, nic.read(TestNic.DEVICE + 0xc, 2));
    nic.start(TestNic.BASIC | FeatureBits.VIRTIO_NET_F_MTU);
    nic.offerReceive(0, 4);
    byte[] tagged = TestNic.frame(1018, 1);
    tagged[12] = (byte) 0x81;
    tagged[13] = 0;
    nic.wire.deliver(TestNic.frame(1014, 1));
    nic.wire.deliver(TestNic.frame(1015, 1));
    nic.wire.deliver(tagged);
    assertEquals(2, nic.device.poll(8));
    assertEquals(1, nic.device.counters().drops(Drop.RX_OVER_MTU));
    // A driver that did not accept the feature takes what comes.
    nic.start(TestNic.BASIC);
    nic.offerReceive(0, 4);
    nic.wire.deliver(TestNic.frame(1015, 1));
    assertEquals(1, nic.device.poll(8));
  }

  /**
   * 5.1.4.2: up to mtu plus the Ethernet header, which a tag makes 4 bytes longer; no byte more.
   */
  @ParameterizedTest
  @ValueSource(ints = {68, 1280, 1500, 1501, 9000, 9216, 65_530})
  void negotiatedMtuBoundsFramesBothWaysToTheByte(int mtu) {
    reopen(new VirtioNet.Config(TestNic.MAC, OptionalInt.of(mtu), false, false));
    nic.start(TestNic.BASIC | FeatureBits.VIRTIO_NET_F_MTU);
    int plain = 14 + mtu;
    int tagged = plain + 4;
    byte[][] fit = {
      ofType(0x0800, plain), ofType(0x8100, plain), ofType(0x8100, tagged), ofType(0x88a8, tagged)
    };
    byte[][] tooLong = {
      ofType(0x0800, plain + 1),
      ofType(0x0800, tagged),
      ofType(0x8100, tagged + 1),
      ofType(0x88a8, tagged + 1)
    };
    offerOneReceiveBuffer(12 + tagged + 1);
    int drops = 0;
    for (byte[] frame : tooLong) {
      drops++;
      nic.send(frame);
      nic.wire.deliver(frame);
      assertEquals(0, nic.device.poll(8), "length=" + frame.length);
      assertEquals(drops, nic.device.counters().drops(Drop.TX_OVER_MTU));
      assertEquals(drops, nic.device.counters().drops(Drop.RX_OVER_MTU));
      assertTrue(nic.transmitRing().poll(), "the buffer comes back all the same");
    }
    assertEquals(0, nic.wire.sent().size());
    for (byte[] frame : fit) {
      nic.send(frame);
      nic.wire.deliver(frame);
      assertEquals(2, nic.device.poll(8), "length=" + frame.length);
      assertArrayEquals(frame, nic.wire.sent().getLast());
      assertTrue(nic.receiveRing().poll());
      assertEquals(12 + frame.length, nic.receiveRing().usedLength());
      assertArrayEquals(frame, nic.bytes(TestNic.RX_BUFFERS + 12, frame.length));
      offerOneReceiveBuffer(12 + tagged + 1);
    }
    assertEquals(fit.length, nic.wire.sent().size());
    assertEquals(0, nic.device.counters().drops(Drop.RX_NO_ROOM));
    assertEquals(0, nic.device.counters().drops(Drop.TX_GIANT));
  }

  @Test
  void withoutTheFeatureTheMtuBindsNobody() {
    reopen(new VirtioNet.Config(TestNic.MAC, OptionalInt.of(68), false, false));
    nic.start(TestNic.BASIC);
    nic.send(TestNic.frame(1514, 1));
    assertEquals(1, nic.device.poll(8));
    assertEquals(0, nic.device.counters().drops(Drop.TX_OVER_MTU));
  }

  private void offerOneReceiveBuffer(int bytes) {
    nic.receiveRing().begin().writable(TestNic.RX_BUFFERS, bytes).offer();
    nic.receiveRing().publish();
  }

  private static byte[] ofType(int type, int length) {
    byte[] frame = TestNic.frame(length, length);
    frame[12] = (byte) (type >>> 8);
    frame[13] = (byte) type;
    return frame;
  }

  // ---- features

  @Test
  void offersWhatWorksAndNothingElse() {
    assertEquals(
        List.of(
            "VIRTIO_NET_F_CSUM",
            "VIRTIO_NET_F_GUEST_CSUM",
            "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS",
            "VIRTIO_NET_F_MAC",
            "VIRTIO_NET_F_GUEST_TSO4",
            "VIRTIO_NET_F_GUEST_TSO6",
            "VIRTIO_NET_F_GUEST_ECN",
            "VIRTIO_NET_F_GUEST_UFO",
            "VIRTIO_NET_F_HOST_TSO4",
            "VIRTIO_NET_F_HOST_TSO6",
            "VIRTIO_NET_F_HOST_ECN",
            "VIRTIO_NET_F_HOST_UFO",
            "VIRTIO_NET_F_MRG_RXBUF",
            "VIRTIO_NET_F_STATUS",
            "VIRTIO_NET_F_CTRL_VQ",
            "VIRTIO_NET_F_CTRL_RX",
            "VIRTIO_NET_F_CTRL_VLAN",
            "VIRTIO_NET_F_CTRL_RX_EXTRA",
            "VIRTIO_NET_F_GUEST_ANNOUNCE",
            "VIRTIO_NET_F_CTRL_MAC_ADDR",
            "VIRTIO_F_INDIRECT_DESC",
            "VIRTIO_F_EVENT_IDX",
            "VIRTIO_F_VERSION_1",
            "VIRTIO_F_RING_RESET",
            "VIRTIO_NET_F_GUEST_USO4",
            "VIRTIO_NET_F_GUEST_USO6",
            "VIRTIO_NET_F_HOST_USO",
            "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO",
            "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM",
            "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO",
            "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM"),
        FeatureBits.names(offered()));
    reopen(new VirtioNet.Config(TestNic.MAC, OptionalInt.of(1500), true, false));
    assertTrue(FeatureBits.has(nic.offered(), FeatureBits.VIRTIO_NET_F_MTU));
    assertTrue(FeatureBits.has(nic.offered(), FeatureBits.VIRTIO_F_ACCESS_PLATFORM));
  }

  private Features offered() {
    return new Features(nic.offered(), nic.offered(2) | nic.offered(3) << 32);
  }

  /** Each feature alone, all but each, and random ones of the 2^32 subsets. */
  @Test
  void subsetsOfTheOfferWork() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    SplittableRandom random = new SplittableRandom(seed);
    Features optional = offered().without(TestNic.BASIC);
    List<Features> subsets = new ArrayList<>(List.of(Features.NONE, optional));
    for (int bit = 0; bit < 128; bit++) {
      if (optional.has(Features.bit(bit))) {
        subsets.add(Features.bit(bit));
        subsets.add(optional.without(Features.bit(bit)));
      }
    }
    for (int i = 0; i < 300; i++) {
      subsets.add(new Features(random.nextLong(), random.nextLong()).among(optional));
    }
    for (Features subset : subsets) {
      assertTrue(nic.works(subset.with(TestNic.BASIC)), subset + " -Dvirtiolab.seed=" + seed);
    }
  }

  @Test
  void requiredAccessPlatformIsInsistedOn() {
    reopen(new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), true, true));
    nic.negotiate(TestNic.BASIC);
    assertEquals(3, nic.status());
    nic.negotiate(TestNic.BASIC | FeatureBits.VIRTIO_F_ACCESS_PLATFORM);
    assertEquals(0xb, nic.status());
    assertThrows(
        IllegalArgumentException.class,
        () -> new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), false, true));
  }

  @Test
  void accessPlatformDecidesWhoseAddressesAreUsed() {
    nic.close();
    nic =
        TestNic.of(
            new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), true, false), Shifted::new);
    assertTrue(nic.works(TestNic.BASIC), "physical addresses without the feature");
    nic.negotiate(TestNic.BASIC | FeatureBits.VIRTIO_F_ACCESS_PLATFORM);
    DriverRing ring = nic.setUp(1, 256, false);
    nic.status(0xb);
    nic.status(0);
    nic.negotiate(TestNic.BASIC | FeatureBits.VIRTIO_F_ACCESS_PLATFORM);
    nic.select(1);
    nic.write(0x20, 8, ring.descriptorArea() + Shifted.BY);
    nic.write(0x28, 8, ring.driverArea() + Shifted.BY);
    nic.write(0x30, 8, ring.deviceArea() + Shifted.BY);
    nic.write(0x1c, 2, 1);
    nic.driverOk();
    byte[] frame = TestNic.frame(60, 5);
    nic.putFrame(TestNic.TX_BUFFERS, frame);
    ring.begin().readable(TestNic.TX_BUFFERS + Shifted.BY, 72).offer();
    ring.publish();
    assertEquals(1, nic.device.poll(8), "translated addresses with it");
    assertArrayEquals(frame, nic.wire.sent().getLast());
  }

  /** A platform whose bus addresses are not physical ones. */
  private record Shifted(PhysicalMemory memory) implements BusMemory {
    static final long BY = 0x4000_0000L;

    @Override
    public MappingGeneration generation() {
      return memory.generation();
    }

    @Override
    public boolean resolve(long address, DmaAccess access, DmaWindow window) {
      return address < BY
          ? window.faulted(DmaFault.NOT_MAPPED)
          : window.resolved(
              memory.regions().getFirst().segment(), BY, memory.generation().acquire());
    }
  }

  // ---- interrupts

  @Test
  void pinIsAssertedUntilIsrIsRead() {
    nic.start(TestNic.BASIC);
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertTrue(nic.pin.asserted());
    assertEquals(8, nic.function.configRead(6, 2) & 8, "Interrupt Status");
    assertEquals(1, nic.isr());
    assertFalse(nic.pin.asserted());
    assertEquals(0, nic.isr());
  }

  @Test
  void isrIsReadAtItsOneByteOnly() {
    nic.start(TestNic.BASIC);
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(0, nic.read(TestNic.ISR + 1, 1));
    assertEquals(0, nic.read(TestNic.ISR + 4, 4));
    assertTrue(nic.pin.asserted());
    assertEquals(1, nic.read(TestNic.ISR, 4));
    assertFalse(nic.pin.asserted());
  }

  @Test
  void queuesAndConfigurationInterruptByTheirVectors() {
    nic.start(TestNic.BASIC);
    for (int vector = 0; vector < 4; vector++) {
      nic.function.barWrite(1, 16 * vector, 4, 0xfee0_0000L);
      nic.function.barWrite(1, 16 * vector + 8, 4, 0x40 + vector);
      nic.function.barWrite(1, 16 * vector + 12, 4, 0);
    }
    nic.function.configWrite(0x98 + 2, 2, 0x8000);
    nic.write(0x10, 2, 3);
    nic.select(0);
    nic.write(0x1a, 2, 1);
    nic.select(1);
    nic.write(0x1a, 2, 2);
    nic.offerReceive(0, 1);
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    nic.device.setLink(false);
    nic.device.poll(8);
    assertEquals(
        List.of(0x42, 0x41, 0x43), nic.messages.messages().stream().map(m -> m.data()).toList());
    assertFalse(nic.pin.asserted());
    // A queue that is unmapped interrupts no more.
    nic.write(0x1a, 2, 0xffff);
    nic.messages.clear();
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(List.of(), nic.messages.messages());
  }

  // ---- link

  @Test
  void linkChangeIsShownCountedAndSignalled() {
    nic.start(TestNic.BASIC | FeatureBits.VIRTIO_NET_F_STATUS);
    assertEquals(1, nic.read(TestNic.DEVICE + 6, 2));
    nic.wire.link(false);
    nic.device.poll(1);
    assertEquals(0, nic.read(TestNic.DEVICE + 6, 2));
    assertEquals(1, nic.read(0x15, 1));
    assertEquals(3, nic.isr());
    nic.send(TestNic.frame(60, 1));
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(1, nic.device.counters().drops(Drop.TX_LINK_DOWN));
    assertEquals(1, nic.device.counters().drops(Drop.RX_LINK_DOWN));
    nic.wire.link(true);
    nic.device.poll(1);
    assertEquals(1, nic.read(TestNic.DEVICE + 6, 2));
    assertEquals(2, nic.read(0x15, 1));
    assertEquals(1, nic.device.counters().drops(Drop.TX_LINK_DOWN));
  }

  @Test
  void linkChangeBeforeDriverOkDoesNotInterrupt() {
    nic.negotiate(TestNic.BASIC);
    nic.device.setLink(false);
    nic.device.poll(1);
    assertEquals(0, nic.isr());
    assertFalse(nic.pin.asserted());
    assertEquals(0, nic.read(TestNic.DEVICE + 6, 2));
    assertEquals(1, nic.read(0x15, 1), "a driver that reads twice must see the change");
  }

  @Test
  void generationNeverComesBackToWhatTheDriverReadBefore() {
    nic.start(TestNic.BASIC);
    for (int changes : new int[] {1, 2, 3, 255, 256, 257, 511, 512, 513}) {
      long before = nic.read(0x15, 1);
      for (int i = 0; i < changes; i++) {
        nic.device.setLink(i % 2 != 0);
        nic.device.poll(1);
      }
      assertTrue(before != nic.read(0x15, 1), "after " + changes + " changes");
      nic.device.setLink(true);
      nic.device.poll(1);
    }
  }

  // ---- reset

  @Test
  void afterResetNoGuestMemoryIsTouched() {
    nic.start(TestNic.BASIC);
    nic.offerReceive(0, 8);
    nic.send(TestNic.frame(60, 1));
    nic.status(0);
    byte[] before = nic.bytes(0, (int) TestNic.RAM_BYTES);
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.kick(0);
    nic.kick(1);
    for (int i = 0; i < 10; i++) {
      assertEquals(0, nic.device.poll(64));
    }
    assertArrayEquals(before, nic.bytes(0, (int) TestNic.RAM_BYTES));
    assertEquals(0, nic.wire.sentCount());
    assertEquals(0, nic.isr());
  }

  @Test
  void queueThatIsNotEnabledAgainAfterResetStaysDead() {
    nic.start(TestNic.BASIC);
    nic.offerReceive(0, 8);
    nic.send(TestNic.frame(60, 1));
    nic.negotiate(TestNic.BASIC);
    nic.driverOk();
    nic.wire.deliver(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(64));
    assertEquals(0, nic.receiveRing().usedIdx());
    assertEquals(0, nic.transmitRing().usedIdx());
  }

  @Test
  void oneQueueIsResetAndEnabledAgainAlone() {
    nic.start(TestNic.BASIC | FeatureBits.VIRTIO_F_RING_RESET);
    nic.send(TestNic.frame(60, 1));
    nic.device.poll(8);
    nic.select(1);
    nic.write(0x1a, 2, 2);
    nic.write(0x3a, 2, 1);
    assertEquals(0, nic.read(0x3a, 2));
    assertEquals(0, nic.read(0x1c, 2));
    assertEquals(256, nic.read(0x18, 2));
    assertEquals(0xffff, nic.read(0x1a, 2));
    assertEquals(0, nic.read(0x20, 8));
    nic.send(TestNic.frame(60, 2));
    assertEquals(0, nic.device.poll(8), "a queue that was reset executes nothing");
    nic.offerReceive(0, 1);
    nic.wire.deliver(TestNic.frame(60, 3));
    assertEquals(1, nic.device.poll(8), "the other one goes on");
    nic.setUp(1, 64, false);
    assertEquals(64, nic.read(0x18, 2));
    nic.send(TestNic.frame(60, 4));
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(TestNic.frame(60, 4), nic.wire.sent().getLast());
  }

  @Test
  void queueResetExistsOnlyWithItsFeature() {
    nic.start(TestNic.BASIC);
    nic.select(1);
    nic.write(0x3a, 2, 1);
    assertEquals(1, nic.read(0x1c, 2));
    nic.send(TestNic.frame(60, 1));
    assertEquals(1, nic.device.poll(8));
  }

  /** 2.1.2: it is set, the driver is told, no queue is touched; a reset clears it. */
  @Test
  void aDeviceThatIsToldToFailNeedsAResetAndMovesNothingUntilThen() {
    nic.start(TestNic.BASIC);
    nic.send(TestNic.frame(60, 1));
    nic.device.fail("a test");
    assertEquals(0x4f, nic.status());
    assertEquals(1, nic.device.counters().breakdowns());
    assertEquals(1, nic.device.counters().configInterrupts());
    assertEquals(0, nic.device.poll(8));
    nic.device.fail("again");
    assertEquals(1, nic.device.counters().breakdowns());

    nic.status(0);
    nic.device.fail("without a driver");
    assertEquals(0, nic.status());
    nic.start(TestNic.BASIC);
    nic.send(TestNic.frame(60, 2));
    assertEquals(1, nic.device.poll(8));
  }

  @Test
  void takenBusMasteringStopsTheDeviceAndGivenBackItGoesOn() {
    nic.start(TestNic.BASIC);
    nic.function.configWrite(4, 2, 3);
    nic.send(TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertEquals(0xf, nic.status());
    nic.enable();
    assertEquals(1, nic.device.poll(8));
  }

  private void reopen(VirtioNet.Config config) {
    nic.close();
    nic = TestNic.of(config);
  }
}
