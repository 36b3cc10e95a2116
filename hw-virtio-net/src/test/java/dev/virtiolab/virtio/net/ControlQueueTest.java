package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.TestNic;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Commands (virtio v1.4, 5.1.6.5), by a driver that keeps the rules and by one that does not. */
class ControlQueueTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());

  private static final long ALL = NetFeatures.USUAL.low() | FeatureBits.VIRTIO_F_VERSION_1;

  private static final int OK = 0;
  private static final int ERR = 1;
  private static final int RX = 0;
  private static final int MAC = 1;
  private static final int VLAN = 2;
  private static final int ANNOUNCE = 3;

  private static final byte[] ON = {1};
  private static final byte[] OFF = {0};
  private static final byte[] NOTHING = {};

  private TestNic nic = TestNic.conventional();

  @AfterEach
  void close() {
    nic.close();
  }

  private void reopen(VirtioNet.Config config) {
    nic.close();
    nic = TestNic.of(config);
  }

  /** A frame to the station whose address ends in {@code last}; whether the driver gets it. */
  private boolean arrives(int... to) {
    byte[] frame = TestNic.frame(60, 7);
    for (int i = 0; i < 6; i++) {
      frame[i] = (byte) to[i];
    }
    frame[12] = 0x08;
    frame[13] = 0;
    return arrives(frame);
  }

  private boolean arrives(byte[] frame) {
    nic.offerReceive(0, 1);
    nic.wire.deliver(frame);
    long before = nic.device.counters().framesReceived();
    nic.device.poll(4);
    boolean came = nic.device.counters().framesReceived() != before;
    while (nic.receiveRing().poll()) {
      // Reclaim.
    }
    assertEquals(0, nic.wire.waiting());
    return came;
  }

  @Test
  void filterFollowsTheCommands() {
    nic.start(ALL);
    int[] other = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
    int[] group = {1, 0, 0x5e, 0, 0, 1};
    int[] all = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assertTrue(arrives(other), "a device begins promiscuous");
    assertEquals(OK, nic.command(RX, 0, OFF));
    assertFalse(arrives(other));
    assertEquals(1, nic.device.counters().filteredFrames());
    assertEquals(0, nic.device.counters().drops());
    assertTrue(arrives(0x52, 0x54, 0, 0x12, 0x34, 0x56));
    assertEquals(OK, nic.command(RX, 1, ON));
    assertTrue(arrives(group));
    assertEquals(OK, nic.command(RX, 2, ON));
    assertTrue(arrives(other));
    assertEquals(OK, nic.command(RX, 3, ON));
    assertFalse(arrives(group));
    assertEquals(OK, nic.command(RX, 4, ON));
    assertFalse(arrives(other));
    assertEquals(OK, nic.command(RX, 5, ON));
    assertFalse(arrives(all));
    assertEquals(OK, nic.command(RX, 0, ON));
    assertTrue(arrives(group));
    assertEquals(7, nic.device.counters().commandsDone());
    assertEquals(0, nic.device.counters().commandsRefused());
  }

  @Test
  void stationAddressIsSetAndShown() {
    nic.start(ALL);
    byte[] mac = {0x52, 0x54, 1, 2, 3, 4};
    assertEquals(OK, nic.command(MAC, 1, mac));
    for (int i = 0; i < 6; i++) {
      assertEquals(mac[i], (byte) nic.read(TestNic.DEVICE + i, 1));
    }
    nic.command(RX, 0, OFF);
    assertTrue(arrives(0x52, 0x54, 1, 2, 3, 4));
    assertFalse(arrives(0x52, 0x54, 0, 0x12, 0x34, 0x56));
    nic.status(0);
    assertEquals(0x56, nic.read(TestNic.DEVICE + 5, 1), "reset brings the first address back");
  }

  @Test
  void addressTableIsReadWhole() {
    nic.start(ALL);
    nic.command(RX, 0, OFF);
    assertEquals(OK, nic.command(MAC, 0, table(1, 1)));
    assertTrue(arrives(2, 0, 0, 0, 0, 0));
    assertTrue(arrives(3, 0, 0, 0, 0, 0));
    assertFalse(arrives(2, 0, 0, 0, 0, 1));
    assertEquals(OK, nic.command(MAC, 0, table(64, 0)));
    assertTrue(arrives(2, 0, 0, 0, 0, 63));
    assertFalse(arrives(2, 0, 0, 0, 0, 64));
    assertEquals(OK, nic.command(MAC, 0, table(65, 3)));
    assertTrue(arrives(2, 0, 0, 0, 0, 99), "more than the table holds: all unicast");
    assertTrue(arrives(3, 0, 0, 0, 0, 2));
    assertFalse(arrives(3, 0, 0, 0, 0, 3));
    assertEquals(OK, nic.command(MAC, 0, table(60, 5)));
    assertFalse(arrives(2, 0, 0, 0, 0, 60));
    assertTrue(arrives(3, 0, 0, 0, 0, 77), "together more than the table holds: all multicast");
    assertEquals(OK, nic.command(MAC, 0, table(0, 0)));
    assertFalse(arrives(2, 0, 0, 0, 0, 0));
  }

  private static byte[] table(int unicasts, int multicasts) {
    ByteBuffer data =
        ByteBuffer.allocate(8 + 6 * (unicasts + multicasts)).order(ByteOrder.LITTLE_ENDIAN);
    data.putInt(unicasts);
    for (int i = 0; i < unicasts; i++) {
      data.put(new byte[] {2, 0, 0, 0, 0, (byte) i});
    }
    data.putInt(multicasts);
    for (int i = 0; i < multicasts; i++) {
      data.put(new byte[] {3, 0, 0, 0, 0, (byte) i});
    }
    return data.array();
  }

  @Test
  void vlansAreFilteredOnceTheFeatureHolds() {
    byte[] tagged = TestNic.frame(64, 1);
    System.arraycopy(TestNic.MAC, 0, tagged, 0, 6);
    tagged[12] = (byte) 0x81;
    tagged[13] = 0;
    tagged[14] = 0x20;
    tagged[15] = 100;
    nic.start(ALL & ~FeatureBits.VIRTIO_NET_F_CTRL_VLAN);
    nic.command(RX, 0, OFF);
    assertTrue(arrives(tagged));
    assertEquals(ERR, nic.command(VLAN, 0, new byte[] {100, 0}));
    nic.start(ALL);
    nic.command(RX, 0, OFF);
    assertFalse(arrives(tagged), "the table begins empty");
    assertEquals(OK, nic.command(VLAN, 0, new byte[] {100, 0}));
    assertTrue(arrives(tagged));
    assertEquals(OK, nic.command(VLAN, 1, new byte[] {100, 0}));
    assertFalse(arrives(tagged));
    assertEquals(ERR, nic.command(VLAN, 0, new byte[] {0, 0x10}), "4096 is no VLAN");
    assertEquals(ERR, nic.command(VLAN, 2, new byte[] {100, 0}));
  }

  @Test
  void announcementIsAskedForOnceAndAcknowledged() {
    nic.start(ALL);
    assertEquals(ERR, nic.command(ANNOUNCE, 0, NOTHING), "nobody asked");
    long generation = nic.read(0x15, 1);
    nic.device.announce();
    nic.device.poll(1);
    assertEquals(3, nic.read(TestNic.DEVICE + 6, 2));
    assertTrue(generation != nic.read(0x15, 1));
    assertEquals(3, nic.isr());
    assertEquals(ERR, nic.command(ANNOUNCE, 1, NOTHING));
    assertEquals(ERR, nic.command(ANNOUNCE, 0, ON), "it has no data");
    assertEquals(OK, nic.command(ANNOUNCE, 0, NOTHING));
    assertEquals(1, nic.read(TestNic.DEVICE + 6, 2));
    nic.device.announce();
    nic.device.poll(1);
    nic.status(0);
    assertEquals(1, nic.read(TestNic.DEVICE + 6, 2), "a reset forgets it");
  }

  @Test
  void driverThatKnowsNoAnnouncementIsNotAsked() {
    nic.start(ALL & ~FeatureBits.VIRTIO_NET_F_GUEST_ANNOUNCE);
    nic.device.announce();
    nic.device.poll(1);
    assertEquals(1, nic.read(TestNic.DEVICE + 6, 2));
    assertEquals(0, nic.isr());
    assertEquals(ERR, nic.command(ANNOUNCE, 0, NOTHING));
  }

  @Test
  void eachClassNeedsItsFeature() {
    nic.start(FeatureBits.VIRTIO_F_VERSION_1 | FeatureBits.VIRTIO_NET_F_CTRL_VQ);
    assertEquals(ERR, nic.command(RX, 0, OFF));
    assertEquals(ERR, nic.command(RX, 2, OFF));
    assertEquals(ERR, nic.command(MAC, 0, table(0, 0)));
    assertEquals(ERR, nic.command(MAC, 1, TestNic.MAC));
    assertEquals(ERR, nic.command(VLAN, 0, new byte[2]));
    nic.start(ALL & ~FeatureBits.VIRTIO_NET_F_CTRL_RX_EXTRA);
    assertEquals(OK, nic.command(RX, 1, OFF));
    assertEquals(ERR, nic.command(RX, 2, OFF));
    nic.start(ALL & ~FeatureBits.VIRTIO_NET_F_CTRL_MAC_ADDR);
    assertEquals(ERR, nic.command(MAC, 1, TestNic.MAC));
  }

  @Test
  void unknownCommandsAndWrongDataAreRefusedAndBreakNothing() {
    nic.start(ALL);
    assertEquals(ERR, nic.command(99, 0, ON));
    assertEquals(ERR, nic.command(255, 255, NOTHING));
    assertEquals(ERR, nic.command(RX, 6, ON));
    assertEquals(ERR, nic.command(RX, 0, NOTHING));
    assertEquals(ERR, nic.command(RX, 0, new byte[2]));
    assertEquals(ERR, nic.command(MAC, 2, ON));
    assertEquals(ERR, nic.command(MAC, 1, new byte[5]));
    assertEquals(ERR, nic.command(MAC, 1, new byte[7]));
    byte[] good = table(2, 2);
    for (int cut = 0; cut < good.length; cut++) {
      assertEquals(ERR, nic.command(MAC, 0, Arrays.copyOf(good, cut)), "cut at " + cut);
    }
    assertEquals(ERR, nic.command(MAC, 0, Arrays.copyOf(good, good.length + 1)));
    // Counts that overflow 32 bits when they become bytes.
    for (int entries : new int[] {-1, 0x8000_0000, 0x2aaa_aaab, 0x7fff_ffff}) {
      byte[] huge = table(2, 2);
      ByteBuffer.wrap(huge).order(ByteOrder.LITTLE_ENDIAN).putInt(0, entries);
      assertEquals(ERR, nic.command(MAC, 0, huge));
      huge = table(2, 2);
      ByteBuffer.wrap(huge).order(ByteOrder.LITTLE_ENDIAN).putInt(16, entries);
      assertEquals(ERR, nic.command(MAC, 0, huge));
    }
    assertTrue(arrives(9, 9, 9, 9, 9, 9), "nothing has changed");
    assertEquals(0xf, nic.status());
    assertEquals(0, nic.device.counters().commandsDone());
  }

  @Test
  void commandThatCannotBeReadOrAnsweredCostsItself() {
    nic.start(ALL);
    DriverRing ring = nic.rings[2];
    ring.begin().readable(0xffff_ffff_f000L, 3).writable(TestNic.COMMANDS + 64, 1).offer();
    nic.ram.set(ValueLayout.JAVA_BYTE, TestNic.COMMANDS + 64, (byte) 0xee);
    ring.begin().readable(TestNic.COMMANDS, 3).writable(0xffff_ffff_f000L, 1).offer();
    ring.publish();
    nic.kick(2);
    nic.device.poll(1);
    assertTrue(ring.poll());
    assertEquals(1, ring.usedLength());
    assertEquals(ERR, nic.ram.get(ValueLayout.JAVA_BYTE, TestNic.COMMANDS + 64));
    assertTrue(ring.poll());
    assertEquals(0, ring.usedLength());
    assertEquals(0xf, nic.status());
  }

  @Test
  void commandsOfferedBeforeDriverOkAreFound() {
    nic.negotiate(ALL);
    nic.setUp(0, 256, false);
    nic.setUp(1, 256, false);
    DriverRing ring = nic.setUp(2, 64, false);
    nic.ram.asSlice(TestNic.COMMANDS, 3).fill((byte) 0);
    ring.begin().readable(TestNic.COMMANDS, 3).writable(TestNic.COMMANDS + 64, 1).offer();
    ring.publish();
    nic.driverOk();
    nic.device.poll(1);
    assertTrue(ring.poll());
  }

  @Test
  void moreCommandsThanABatchAreAllDone() {
    nic.start(ALL | FeatureBits.VIRTIO_F_EVENT_IDX);
    DriverRing ring = nic.rings[2];
    nic.ram.asSlice(TestNic.COMMANDS, 3).fill((byte) 0);
    for (int i = 0; i < 20; i++) {
      ring.begin().readable(TestNic.COMMANDS, 3).writable(TestNic.COMMANDS + 64, 1).offer();
    }
    ring.publish();
    nic.kick(2);
    nic.device.poll(1);
    nic.device.poll(1);
    assertEquals(20, nic.device.counters().commandsDone());
  }

  /**
   * A driver sends its next command as soon as it sees the one before used, while the device may
   * still be on its way out of the queue, past the last look at it. The kick is what is left then:
   * here it comes in mid-command, and what it is for is seen by nobody but who looks again.
   */
  @Test
  void kickDuringACommandBringsAnotherLook() {
    nic.start(ALL);
    nic.device.observe(
        new NicObserver() {
          @Override
          public void chainUsed(int queue, int head, int writtenBytes) {
            nic.device.observe(NicObserver.NONE);
            nic.kick(queue);
          }
        });
    assertEquals(OK, nic.command(RX, 0, OFF));
    DriverRing ring = nic.rings[2];
    ring.begin().readable(TestNic.COMMANDS, 3).writable(TestNic.COMMANDS + 64, 1).offer();
    ring.publish();
    nic.device.poll(1);
    assertTrue(ring.poll(), "the kick was forgotten");
    assertEquals(2, nic.device.counters().commandsDone());
  }

  @Test
  void commandWaitsForBusMastering() {
    nic.start(ALL);
    nic.function.configWrite(4, 2, 3);
    assertEquals(-1, nic.command(RX, 0, OFF));
    nic.enable();
    nic.device.poll(1);
    assertTrue(nic.rings[2].poll());
    assertEquals(1, nic.device.counters().commandsDone());
  }

  @Test
  void withoutTheFeatureThereIsNoControlQueue() {
    reopen(
        new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), false, false)
            .withFeatures(NetFeatures.USUAL.without(FeatureBits.VIRTIO_NET_F_CTRL_VQ)));
    assertEquals(2, nic.read(0x12, 2));
    nic.select(2);
    assertEquals(0, nic.read(0x18, 2));
    assertEquals(
        (ALL | FeatureBits.VIRTIO_NET_F_MAC)
            & ~(FeatureBits.VIRTIO_NET_F_CTRL_VQ
                | FeatureBits.VIRTIO_NET_F_CTRL_RX
                | FeatureBits.VIRTIO_NET_F_CTRL_RX_EXTRA
                | FeatureBits.VIRTIO_NET_F_CTRL_VLAN
                | FeatureBits.VIRTIO_NET_F_CTRL_MAC_ADDR
                | FeatureBits.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS
                | FeatureBits.VIRTIO_NET_F_GUEST_ANNOUNCE),
        nic.offered(),
        "what needs it is not offered either (5.1.3.1)");
    nic.kick(2);
    assertTrue(nic.works(TestNic.BASIC));
  }

  @Test
  void speedIsShownWhereItIsOffered() {
    reopen(
        new VirtioNet.Config(
            TestNic.MAC,
            OptionalInt.empty(),
            false,
            false,
            NetFeatures.USUAL.with(FeatureBits.VIRTIO_NET_F_SPEED_DUPLEX),
            OptionalInt.of(25_000)));
    assertEquals(25_000, nic.read(TestNic.DEVICE + 0xc, 4));
    assertEquals(1, nic.read(TestNic.DEVICE + 0x10, 1));
    assertEquals(0xff, nic.read(TestNic.DEVICE + 0x11, 1), "the configuration ends there");
    reopen(
        new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), false, false)
            .withFeatures(NetFeatures.KNOWN));
    assertEquals(0xffff_ffffL, nic.read(TestNic.DEVICE + 0xc, 4));
    assertEquals(0xff, nic.read(TestNic.DEVICE + 0x10, 1));
  }

  /** Random bytes as commands: each is answered, or costs the device, and the next driver works. */
  @Test
  void randomCommandsAreSurvived() {
    SplittableRandom random = new SplittableRandom(SEED);
    System.out.println("ControlQueueTest -Dvirtiolab.seed=" + SEED);
    nic.start(ALL);
    for (int i = 0; i < 3000; i++) {
      byte[] data = new byte[random.nextInt(40)];
      random.nextBytes(data);
      if (random.nextBoolean()) {
        Arrays.fill(data, 0, Math.min(4, data.length), (byte) random.nextInt(3));
      }
      int ack = nic.command(random.nextInt(7), random.nextInt(7), data);
      assertTrue(ack == OK || ack == ERR, "ack=" + ack);
    }
    assertEquals(0xf, nic.status());
    assertTrue(nic.works(TestNic.BASIC));
    assertArrayEquals(TestNic.MAC, nic.mac());
  }
}
