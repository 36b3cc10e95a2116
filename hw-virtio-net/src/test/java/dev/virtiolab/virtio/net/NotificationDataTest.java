package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.TestNic;
import java.lang.foreign.ValueLayout;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * VIRTIO_F_NOTIFICATION_DATA (virtio v1.4, 2.9 "Driver Notifications", 4.1.5.2): a kick is a le32
 * of the queue's number, and above it next_off and next_wrap: of a split queue the available index.
 *
 * <p>The device goes by the address alone, and looks at the ring for the rest: what the data say
 * can make it look, and at no other queue.
 */
class NotificationDataTest {
  private static final long DATA = FeatureBits.VIRTIO_F_NOTIFICATION_DATA;
  private static final int CONTROL = VirtioNet.CONTROL_QUEUE;
  private static final long ACK = TestNic.COMMANDS + 0x100;

  private final TestNic nic =
      TestNic.of(
          new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), false, false)
              .withFeatures(NetFeatures.USUAL.with(DATA)));

  @AfterEach
  void close() {
    nic.close();
  }

  private void start() {
    nic.start(
        TestNic.BASIC | DATA | FeatureBits.VIRTIO_NET_F_CTRL_VQ | FeatureBits.VIRTIO_NET_F_CTRL_RX);
    assertEquals(0xf, nic.status());
    nic.device.poll(8); // The control queue is looked at once when it starts.
  }

  /** The notification as a driver has to write it. */
  private void notify(int queue, int availIndex) {
    nic.write(TestNic.NOTIFY + 4L * queue, 4, queue | (long) availIndex << 16);
  }

  /** Offers a command that is done or refused: it can be looked at only after a kick. */
  private void offerCommand() {
    DriverRing ring = nic.rings[CONTROL];
    nic.ram.set(ValueLayout.JAVA_BYTE, TestNic.COMMANDS, (byte) 0);
    nic.ram.set(ValueLayout.JAVA_BYTE, TestNic.COMMANDS + 1, (byte) 0);
    nic.ram.set(ValueLayout.JAVA_BYTE, TestNic.COMMANDS + 2, (byte) 1);
    ring.begin().readable(TestNic.COMMANDS, 3).writable(ACK, 1).offer();
    ring.publish();
  }

  private boolean commandWasSeen() {
    nic.device.poll(8);
    return nic.rings[CONTROL].poll();
  }

  @Test
  void framesAndCommandsGoByKicksWithData() {
    start();
    byte[] frame = TestNic.frame(60, 1);
    nic.putFrame(TestNic.TX_BUFFERS, frame);
    nic.transmitRing().begin().readable(TestNic.TX_BUFFERS, 72).offer();
    nic.transmitRing().publish();
    notify(VirtioNet.TRANSMIT_QUEUE, 1);
    assertEquals(1, nic.device.counters().kicks(VirtioNet.TRANSMIT_QUEUE));
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(frame, nic.wire.sent().getFirst());
    offerCommand();
    assertFalse(commandWasSeen(), "not without a kick");
    notify(CONTROL, 1);
    assertTrue(commandWasSeen());
  }

  @Test
  void indexRunsIntoTheWrapBit() {
    start();
    for (int index : new int[] {0x7fff, 0x8000, 0xffff}) {
      long before = nic.device.counters().kicks(CONTROL);
      offerCommand();
      notify(CONTROL, index);
      assertEquals(before + 1, nic.device.counters().kicks(CONTROL));
      assertTrue(commandWasSeen());
    }
  }

  @Test
  void wrongDataNeitherHideAQueueNorNameAnother() {
    start();
    long[] wrong = {
      0, // vqn of the receive queue, nothing available
      0x0001_0001L, // vqn of the transmit queue
      0xffff_ffffL, // no queue has that number
      0x8000_0000L | CONTROL, // an index that the ring has not reached
    };
    for (long data : wrong) {
      offerCommand();
      nic.write(TestNic.NOTIFY + 4L * CONTROL, 4, data);
      assertTrue(commandWasSeen(), "data=" + Long.toHexString(data));
    }
    assertEquals(0, nic.device.counters().kicks(VirtioNet.RECEIVE_QUEUE));
    assertEquals(0, nic.device.counters().kicks(VirtioNet.TRANSMIT_QUEUE));
    offerCommand();
    nic.write(TestNic.NOTIFY, 4, CONTROL | 0x0001_0000L);
    nic.write(TestNic.NOTIFY + 4, 4, CONTROL | 0x0001_0000L);
    assertFalse(commandWasSeen(), "the queue is the address's");
    nic.write(TestNic.NOTIFY + 4L * CONTROL, 2, CONTROL);
    assertTrue(commandWasSeen(), "a kick without data is one, too");
    nic.write(TestNic.NOTIFY + 4L * 100, 4, CONTROL);
    assertEquals(0xf, nic.status());
  }
}
