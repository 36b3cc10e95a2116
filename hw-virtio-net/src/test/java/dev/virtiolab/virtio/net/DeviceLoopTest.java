package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.pci.host.RootPort;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.TestNic;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The device on a thread of its own: it sleeps, it is woken, and no wake-up is lost. */
class DeviceLoopTest {
  private static final long DEADLINE_NANOS = Duration.ofSeconds(20).toNanos();

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void sleepingLoopIsWokenByAKick(boolean eventIdx) {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(features(eventIdx));
      until(loop::sleeping);
      nic.send(TestNic.frame(60, 1));
      until(() -> nic.wire.sentCount() == 1);
      until(loop::sleeping);
      nic.send(TestNic.frame(60, 2));
      until(() -> nic.wire.sentCount() == 2);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void sleepingLoopIsWokenByAFrame(boolean withFd) {
    ScriptedBackend wire = withFd ? ScriptedBackend.withReadableFd() : new ScriptedBackend();
    try (TestNic nic = TestNic.of(wire);
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(TestNic.BASIC);
      nic.offerReceive(0, 8);
      for (int i = 1; i <= 8; i++) {
        until(loop::sleeping);
        wire.deliver(TestNic.frame(60, i));
        int expected = i;
        until(() -> nic.device.counters().framesReceived() == expected);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void frameWithoutABufferDoesNotKeepTheLoopAwake(boolean withFd) {
    ScriptedBackend wire = withFd ? ScriptedBackend.withReadableFd() : new ScriptedBackend();
    try (TestNic nic = TestNic.of(wire);
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(TestNic.BASIC);
      wire.deliver(TestNic.frame(60, 1));
      until(loop::sleeping);
      staysAsleep(loop);
      nic.offerReceive(0, 1);
      until(() -> nic.device.counters().framesReceived() == 1);
    }
  }

  @Test
  void fullWireDoesNotKeepTheLoopAwake() {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(TestNic.BASIC);
      nic.wire.refuseAll();
      nic.send(TestNic.frame(60, 1));
      until(() -> nic.device.counters().heldBack() > 0);
      until(loop::sleeping);
      staysAsleep(loop);
      nic.wire.makeRoom();
      until(() -> nic.wire.sentCount() == 1);
    }
  }

  @Test
  void linkChangeWakesTheLoop() {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(TestNic.BASIC);
      until(loop::sleeping);
      nic.device.setLink(false);
      until(nic.pin::asserted);
      assertEquals(0, nic.read(TestNic.DEVICE + 6, 2));
    }
  }

  @Test
  void busMasteringWakesTheLoop() {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(TestNic.BASIC);
      until(loop::sleeping);
      nic.function.configWrite(4, 2, 3);
      nic.send(TestNic.frame(60, 1));
      until(() -> nic.device.queueCounters(VirtioNet.TRANSMIT_QUEUE).blocked() > 0);
      nic.enable();
      until(() -> nic.wire.sentCount() == 1);
    }
  }

  @Test
  void busMasteringOfTheBridgeAboveWakesTheLoop() {
    try (TestNic nic = TestNic.express();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      RootPort port = new RootPort();
      port.secondary().plug(0, nic.function);
      nic.start(TestNic.BASIC);
      nic.send(TestNic.frame(60, 1));
      until(() -> nic.device.queueCounters(VirtioNet.TRANSMIT_QUEUE).blocked() > 0);
      until(loop::sleeping);
      staysAsleep(loop);
      port.configWrite(4, 2, 4);
      until(() -> nic.wire.sentCount() == 1);
    }
  }

  @Test
  void frameThatWaitsForRoomIsCountedOnceHoweverOftenItIsTried() {
    try (TestNic nic = TestNic.conventional()) {
      nic.start(TestNic.BASIC);
      nic.wire.refuseAll();
      nic.send(TestNic.frame(60, 1));
      nic.send(TestNic.frame(60, 2));
      for (int i = 0; i < 5; i++) {
        assertEquals(0, nic.device.poll(8));
      }
      assertEquals(1, nic.device.counters().heldBack());
      nic.wire.makeRoom();
      nic.device.poll(1);
      nic.wire.refuseAll();
      nic.device.poll(8);
      nic.device.poll(8);
      assertEquals(2, nic.device.counters().heldBack(), "the frame behind it is another");
    }
  }

  @Test
  void idleLoopBurnsNoProcessor() {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(TestNic.BASIC);
      until(loop::sleeping);
      staysAsleep(loop);
    }
  }

  @Test
  void closedLoopLeavesTheDeviceToOthers() {
    try (TestNic nic = TestNic.conventional()) {
      DeviceLoop loop = DeviceLoop.start(nic.device, "nic");
      nic.start(TestNic.BASIC);
      loop.close();
      loop.close();
      nic.send(TestNic.frame(60, 1));
      assertEquals(1, nic.device.poll(8));
      try (DeviceLoop other = DeviceLoop.start(nic.device, "other")) {
        nic.send(TestNic.frame(60, 2));
        until(() -> nic.wire.sentCount() == 2);
        until(other::sleeping);
      }
    }
  }

  /**
   * One frame at a time, into a loop that sleeps at once: each kick races with falling asleep. A
   * single lost wake-up ends in the deadline.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noWakeUpIsLostBetweenTheLastLookAndSleep(boolean eventIdx) {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic", 0)) {
      nic.start(features(eventIdx));
      DriverRing ring = nic.transmitRing();
      ring.disableInterrupts();
      int frames = 30_000;
      assertTimeoutPreemptively(
          Duration.ofSeconds(60),
          () -> {
            nic.putFrame(TestNic.TX_BUFFERS, TestNic.frame(60, 1));
            for (int i = 0; i < frames; i++) {
              ring.begin().readable(TestNic.TX_BUFFERS, 72).offer();
              nic.publishTransmit();
              // A little later each time, so that kicks meet every step of falling asleep.
              for (int spin = i % 97; spin > 0; spin--) {
                Thread.onSpinWait();
              }
              until(ring::poll);
            }
          });
      assertEquals(frames, nic.device.counters().framesSent());
      assertTrue(loop.sleeps() > 0, "it should have slept now and then");
    }
  }

  /**
   * One command at a time, the next as soon as the answer is seen: each kick races with the
   * device's way out of the control queue, at which it does not look again without one.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noCommandIsLostBehindTheOneBeforeIt(boolean eventIdx) {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      nic.start(features(eventIdx) | FeatureBits.VIRTIO_NET_F_CTRL_VQ);
      DriverRing ring = nic.rings[VirtioNet.CONTROL_QUEUE];
      int commands = 30_000;
      for (int i = 0; i < commands; i++) {
        ring.begin().readable(TestNic.COMMANDS, 3).writable(TestNic.COMMANDS + 64, 1).offer();
        if (ring.publish()) {
          nic.kick(VirtioNet.CONTROL_QUEUE);
        }
        int sent = i;
        until(ring::poll, () -> "no answer to command " + sent);
      }
      assertTrue(loop.running());
    }
  }

  /**
   * The one wake-up that leaves no trace in a ring: room on a wire that was full. It comes while
   * the loop is on its way to sleep.
   */
  @Test
  void noRoomIsMissedBetweenTheLastLookAndSleep() {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic", 0)) {
      nic.start(TestNic.BASIC);
      for (int i = 0; i < 5_000; i++) {
        long held = nic.device.counters().heldBack();
        nic.wire.refuseAll();
        nic.send(TestNic.frame(60, 1));
        until(() -> nic.device.counters().heldBack() > held);
        for (int spin = i % 97; spin > 0; spin--) {
          Thread.onSpinWait();
        }
        nic.wire.makeRoom();
        until(nic.transmitRing()::poll);
      }
      assertTrue(loop.sleeps() > 0, "it should have slept now and then");
    }
  }

  @Test
  void resetWhileTheLoopRunsStopsItForGood() {
    try (TestNic nic = TestNic.conventional();
        DeviceLoop loop = DeviceLoop.start(nic.device, "nic")) {
      for (int round = 0; round < 200; round++) {
        nic.start(TestNic.BASIC);
        nic.offerReceive(0, 64);
        for (int i = 0; i < 32; i++) {
          nic.wire.deliver(TestNic.frame(60, i));
        }
        nic.status(0);
        int used = nic.receiveRing().usedIdx();
        nic.ram.asSlice(TestNic.RX_BUFFERS, 64 * 2048).fill((byte) 0x5a);
        nic.kick(0);
        nic.read(0x14, 1);
        assertEquals(used, nic.receiveRing().usedIdx());
        byte[] buffers = nic.bytes(TestNic.RX_BUFFERS, 64 * 2048);
        for (byte b : buffers) {
          assertEquals(0x5a, b);
        }
      }
      until(loop::sleeping);
    }
  }

  private static long features(boolean eventIdx) {
    return TestNic.BASIC | (eventIdx ? FeatureBits.VIRTIO_F_EVENT_IDX : 0);
  }

  /** The loop settles: there comes a stretch of 50 ms all of which it sleeps through. */
  private static void staysAsleep(DeviceLoop loop) {
    until(() -> sleepsThrough(loop, Duration.ofMillis(50)));
  }

  private static boolean sleepsThrough(DeviceLoop loop, Duration stretch) {
    long sleeps = loop.sleeps();
    long end = System.nanoTime() + stretch.toNanos();
    while (System.nanoTime() < end) {
      if (!loop.sleeping() || loop.sleeps() != sleeps) {
        return false;
      }
      Thread.onSpinWait();
    }
    return true;
  }

  private static void until(BooleanSupplier condition) {
    until(condition, () -> "deadline");
  }

  private static void until(BooleanSupplier condition, Supplier<String> what) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, what);
      Thread.onSpinWait();
    }
  }
}
