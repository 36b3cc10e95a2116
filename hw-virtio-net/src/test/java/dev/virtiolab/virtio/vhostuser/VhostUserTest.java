package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.Served.until;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.fixture.FrontEnd;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A front-end that follows the protocol: negotiation, memory, rings, traffic, reset, and again. */
class VhostUserTest {
  @TempDir Path folder;

  private Served served;

  @BeforeEach
  void serve() {
    served = new Served(folder);
  }

  @AfterEach
  void stop() {
    served.close();
  }

  @Test
  void whatIsOffered() {
    try (FrontEnd peer = served.connect()) {
      long features = peer.get(FrontEnd.GET_FEATURES);
      // MAC, STATUS, LOG_ALL, INDIRECT_DESC, EVENT_IDX, PROTOCOL_FEATURES, VERSION_1,
      // ACCESS_PLATFORM.
      long expected = 0x3_7401_0020L;
      assertEquals(expected, features & expected);
      assertEquals(0, features & 1L << 40, "a single ring cannot be reset");
      assertEquals(0, features & 0x7fL << 17, "the control queue is the front-end's");
      assertEquals(FrontEnd.P_ALL, peer.get(FrontEnd.GET_PROTOCOL_FEATURES));
      peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL);
      assertEquals(1, peer.get(FrontEnd.GET_QUEUE_NUM));
      assertEquals(32, peer.get(FrontEnd.GET_MAX_MEM_SLOTS));
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {0, FrontEnd.F_EVENT_IDX})
  void framesBothWays(long more) {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1 | more)) {
      for (int i = 0; i < 600; i++) {
        assertTrue(served.passes(peer, i), "round " + i);
      }
    }
  }

  @Test
  void kickWakesASleepingDeviceAndACallComesWhereItIsWanted() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      for (int i = 0; i < 5; i++) {
        until("asleep", served.loop()::sleeping);
        int expected = i + 1;
        peer.offerTransmit(i, Served.frame(60, i));
        until("sent", () -> served.wire.sentCount() == expected);
        until("called", peer.calls[FrontEnd.TX]::drain);
        assertTrue(peer.rings[FrontEnd.TX].poll());
      }
      peer.rings[FrontEnd.TX].disableInterrupts();
      peer.offerTransmit(0, Served.frame(60, 9));
      until("used", peer.rings[FrontEnd.TX]::poll);
      until("asleep", served.loop()::sleeping);
      assertEquals(false, peer.calls[FrontEnd.TX].drain(), "a call that nobody wants");
    }
  }

  @Test
  void withoutAKickTheRingIsPolled() {
    try (FrontEnd peer = served.connect()) {
      peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL).shareMemory();
      peer.makeRing(FrontEnd.TX, 64, false);
      peer.startRing(FrontEnd.TX, 0);
      peer.mustTell(FrontEnd.SET_VRING_KICK, FrontEnd.u64(FrontEnd.TX | 0x100));
      until("asleep", () -> served.loop().sleeps() > 3);
      peer.rings[FrontEnd.TX]
          .begin()
          .readable(peer.bus(FrontEnd.TX_BUFFERS), FrontEnd.HEADER_BYTES + 60)
          .offer();
      peer.rings[FrontEnd.TX].publish(); // and no kick
      until("sent", () -> served.wire.sentCount() == 1);
    }
  }

  /** "the back-end must not supply any new RX packets, but must process and discard any TX" */
  @Test
  void aDisabledRingDiscardsWhatIsSentAndSuppliesNothing() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      peer.mustTell(FrontEnd.SET_VRING_ENABLE, FrontEnd.state(FrontEnd.TX, 0));
      peer.mustTell(FrontEnd.SET_VRING_ENABLE, FrontEnd.state(FrontEnd.RX, 0));
      peer.offerReceive(0, 4);
      served.wire.deliver(Served.frame(60, 1));
      peer.offerTransmit(0, Served.frame(60, 2));
      until("discarded", peer.rings[FrontEnd.TX]::poll);
      until("asleep", served.loop()::sleeping);
      assertEquals(0, served.wire.sentCount());
      assertEquals(0, peer.rings[FrontEnd.RX].usedIdx());
      peer.mustTell(FrontEnd.SET_VRING_ENABLE, FrontEnd.state(FrontEnd.RX, 1));
      until("supplied", peer.rings[FrontEnd.RX]::poll);
      peer.mustTell(FrontEnd.SET_VRING_ENABLE, FrontEnd.state(FrontEnd.TX, 1));
      peer.offerTransmit(0, Served.frame(60, 3));
      until("sent", () -> served.wire.sentCount() == 1);
    }
  }

  @Test
  void withoutProtocolFeaturesRingsAreEnabledFromTheStart() {
    try (FrontEnd peer = served.connect()) {
      peer.send(FrontEnd.SET_FEATURES, FrontEnd.VERSION, FrontEnd.u64(FrontEnd.F_VERSION_1));
      peer.send(
          FrontEnd.SET_MEM_TABLE,
          FrontEnd.VERSION,
          FrontEnd.table(FrontEnd.wholeRegion()),
          peer.memFd.fd());
      peer.makeRing(FrontEnd.TX, 16, false);
      peer.send(FrontEnd.SET_VRING_NUM, FrontEnd.VERSION, FrontEnd.state(FrontEnd.TX, 16));
      peer.send(FrontEnd.SET_VRING_ADDR, FrontEnd.VERSION, peer.addresses(FrontEnd.TX, 0, 0));
      peer.send(
          FrontEnd.SET_VRING_KICK,
          FrontEnd.VERSION,
          FrontEnd.u64(FrontEnd.TX),
          peer.kicks[FrontEnd.TX].fd());
      peer.offerTransmit(0, Served.frame(60, 1));
      until("sent", () -> served.wire.sentCount() == 1);
    }
  }

  @Test
  void aRingStopsAndGoesOnWhereItWas() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      for (int i = 0; i < 3; i++) {
        assertTrue(served.passes(peer, i));
      }
      int base = peer.stopRing(FrontEnd.TX);
      assertEquals(3, base);
      assertEquals(3, peer.stopRing(FrontEnd.TX), "asked again it is the same");
      peer.offerTransmit(0, Served.frame(60, 7));
      until("asleep", served.loop()::sleeping);
      assertEquals(3, served.wire.sentCount(), "a stopped ring is not looked at");
      peer.startRing(FrontEnd.TX, base);
      until("sent", () -> served.wire.sentCount() == 4);
      until("used", peer.rings[FrontEnd.TX]::poll);
      assertTrue(served.passes(peer, 9));
    }
  }

  @Test
  void whatWasWaitingOnTheWireGoesToTheNextFrontEnd() {
    served.wire.deliver(Served.frame(77, 5));
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      peer.offerReceive(0, 1);
      until("received", peer.rings[FrontEnd.RX]::poll);
      assertTrue(peer.receivedEquals(0, peer.rings[FrontEnd.RX].usedLength(), Served.frame(77, 5)));
    }
  }

  @Test
  void configurationIsReadHere() {
    try (FrontEnd peer = served.connect()) {
      peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL);
      ByteBuffer ask = FrontEnd.payload(12 + 24).putInt(0, 0).putInt(4, 24);
      FrontEnd.Reply reply = peer.ask(FrontEnd.GET_CONFIG, ask);
      byte[] config = Arrays.copyOfRange(reply.payload().array(), 12, 36);
      assertArrayEquals(Served.MAC, Arrays.copyOf(config, 6));
      assertEquals(1, config[6], "link up");
      assertArrayEquals(new byte[16], Arrays.copyOfRange(config, 8, 24), "no further fields");
      assertEquals(1, peer.tell(FrontEnd.SET_CONFIG, ask), "every field is read-only");
      assertEquals(0, peer.tell(FrontEnd.SET_CONFIG, ask.putInt(8, 1)), "on migration it is not");
      ByteBuffer beyond = FrontEnd.payload(12 + 8).putInt(0, 250).putInt(4, 8);
      assertEquals(0, peer.ask(FrontEnd.GET_CONFIG, beyond).payload().capacity());
    }
  }

  @Test
  void linkChangeIsToldOnTheChannelBack() {
    try (FrontEnd peer = served.connect()) {
      var pair = dev.virtiolab.posix.UnixStream.pair();
      peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL);
      peer.mustTell(FrontEnd.SET_BACKEND_REQ_FD, FrontEnd.payload(0), pair[1].fd());
      pair[1].close();
      try (FrontEnd back = FrontEnd.over(pair[0])) {
        served.device.setLink(false);
        FrontEnd.Reply told = back.reply();
        assertEquals(2, told.request());
        assertEquals(FrontEnd.VERSION, told.flags());
      }
    }
  }

  @Test
  void resetDeviceStopsAndForgetsTheRings() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      assertTrue(served.passes(peer, 1));
      peer.mustTell(FrontEnd.RESET_DEVICE, FrontEnd.payload(0));
      peer.offerTransmit(0, Served.frame(60, 1));
      until("asleep", served.loop()::sleeping);
      assertEquals(1, served.wire.sentCount());
      peer.mustTell(
          FrontEnd.SET_FEATURES, FrontEnd.u64(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL));
      peer.makeRing(FrontEnd.RX, 128, false);
      peer.makeRing(FrontEnd.TX, 128, false);
      peer.startRing(FrontEnd.RX, 0);
      peer.startRing(FrontEnd.TX, 0);
      assertTrue(served.passes(peer, 2));
    }
  }

  /** QEMU sends a new table whenever its memory map changes, with the rings running. */
  @Test
  void memoryIsReplacedUnderRunningRings() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      for (int i = 0; i < 50; i++) {
        // The same memory in two pieces, or in one, at the same addresses.
        int half = FrontEnd.MEMORY_BYTES / 2;
        if (i % 2 == 0) {
          peer.mustTell(
              FrontEnd.SET_MEM_TABLE,
              FrontEnd.table(
                  FrontEnd.region(FrontEnd.GUEST_BASE, half, FrontEnd.USER_BASE, 0),
                  FrontEnd.region(
                      FrontEnd.GUEST_BASE + half, half, FrontEnd.USER_BASE + half, half)),
              peer.memFd.fd(),
              peer.memFd.fd());
        } else {
          peer.shareMemory();
        }
        assertEquals(2, Served.foreignMaps(), "the test's own map, and one of the device's");
        assertTrue(served.passes(peer, i), "round " + i);
      }
    }
  }

  @Test
  void ringsAreFoundAgainWhereMemoryMovesInGuestAddresses() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      assertTrue(served.passes(peer, 1));
      // The guest's addresses move by 1 GiB, and with them those in descriptors.
      long moved = FrontEnd.GUEST_BASE + (1L << 30);
      peer.mustTell(
          FrontEnd.SET_MEM_TABLE,
          FrontEnd.table(FrontEnd.region(moved, FrontEnd.MEMORY_BYTES, FrontEnd.USER_BASE, 0)),
          peer.memFd.fd());
      peer.rings[FrontEnd.TX]
          .begin()
          .readable(moved + FrontEnd.TX_BUFFERS, FrontEnd.HEADER_BYTES + 60)
          .offer();
      peer.publish(FrontEnd.TX);
      until("sent", () -> served.wire.sentCount() == 2);
      assertEquals(2, peer.stopRing(FrontEnd.TX));
    }
  }

  @Test
  void slotsComeAndGoOneByOne() {
    try (FrontEnd peer = served.connect()) {
      peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL);
      peer.mustTell(FrontEnd.ADD_MEM_REG, FrontEnd.slot(FrontEnd.wholeRegion()), peer.memFd.fd());
      peer.makeRing(FrontEnd.RX, 64, false);
      peer.makeRing(FrontEnd.TX, 64, false);
      peer.startRing(FrontEnd.RX, 0);
      peer.startRing(FrontEnd.TX, 0);
      ByteBuffer other =
          FrontEnd.region(0x10_0000_0000L, FrontEnd.MEMORY_BYTES, 0x6000_0000_0000L, 0);
      peer.mustTell(FrontEnd.ADD_MEM_REG, FrontEnd.slot(other), peer.memFd.fd());
      assertTrue(served.passes(peer, 1));
      // With a descriptor, as some send it: it is closed.
      peer.mustTell(FrontEnd.REM_MEM_REG, FrontEnd.slot(other), peer.memFd.fd());
      assertTrue(served.passes(peer, 2));
      assertEquals(1, peer.tell(FrontEnd.REM_MEM_REG, FrontEnd.slot(other)), "it is gone");
      // And the one in which the rings live: they stop, and say so.
      peer.mustTell(FrontEnd.REM_MEM_REG, FrontEnd.slot(FrontEnd.wholeRegion()));
      until("error", peer.errors[FrontEnd.TX]::drain);
      until("error", peer.errors[FrontEnd.RX]::drain);
      assertEquals(1, Served.foreignMaps(), "only the test's own map is left");
      peer.mustTell(FrontEnd.ADD_MEM_REG, FrontEnd.slot(FrontEnd.wholeRegion()), peer.memFd.fd());
      peer.startRing(FrontEnd.RX, peer.stopRing(FrontEnd.RX));
      peer.startRing(FrontEnd.TX, peer.stopRing(FrontEnd.TX));
      assertTrue(served.passes(peer, 3));
    }
  }

  @Test
  void aBrokenRingSaysSoAndIsMendedByAStop() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      peer.rings[FrontEnd.TX].rawAvailEntry(0, 999);
      peer.rings[FrontEnd.TX].rawAvailIdx(1);
      peer.kicks[FrontEnd.TX].signal();
      until("error", peer.errors[FrontEnd.TX]::drain);
      peer.stopRing(FrontEnd.TX);
      peer.stopRing(FrontEnd.RX);
      peer.makeRing(FrontEnd.RX, 256, false);
      peer.makeRing(FrontEnd.TX, 256, false);
      peer.startRing(FrontEnd.RX, 0);
      peer.startRing(FrontEnd.TX, 0);
      assertTrue(served.passes(peer, 3));
    }
  }

  // ---- one after another

  @Test
  void frontEndsComeAndGo() {
    for (int i = 0; i < 5; i++) {
      assertTrue(served.works(), "front-end " + i);
    }
    assertEquals(5, served.server.counters().frontEnds());
  }

  @Test
  void theSecondOfTwoIsTurnedAway() {
    try (FrontEnd first = served.connect().start(FrontEnd.F_VERSION_1)) {
      try (FrontEnd second = served.connect()) {
        assertNull(second.reply(), "its connection ends");
      }
      assertEquals(1, served.server.counters().turnedAway());
      assertTrue(served.passes(first, 1), "the first does not notice");
    }
    assertTrue(served.works());
  }

  @Test
  void nothingIsLeftOfAThousandFrontEnds() {
    assertTrue(served.works());
    until("let go", () -> Served.foreignMaps() == 0);
    long descriptors = Served.openDescriptors();
    for (int i = 0; i < 1000; i++) {
      try (FrontEnd peer = served.connect()) {
        if (i % 3 == 0) {
          peer.start(FrontEnd.F_VERSION_1);
        } else if (i % 3 == 1) {
          peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL).shareMemory();
          peer.send(FrontEnd.SET_MEM_TABLE, FrontEnd.VERSION, FrontEnd.u64(3), peer.memFd.fd());
        } else {
          peer.sendRaw(new byte[] {5, 0, 0}, peer.memFd.fd(), peer.kicks[0].fd());
        }
      }
    }
    assertTrue(served.works());
    until("no descriptor", () -> Served.openDescriptors() <= descriptors);
    until("no map", () -> Served.foreignMaps() == 0);
    assertEquals(1002, served.server.counters().frontEnds());
  }

  @Test
  void theServerConnectsItselfAgainAndAgain() {
    String path = folder.resolve("front").toString();
    try (var listener = dev.virtiolab.posix.UnixListener.listen(path);
        var wire = new dev.virtiolab.net.fixture.ScriptedBackend()) {
      var device =
          new dev.virtiolab.virtio.net.VirtioNet(
              new dev.virtiolab.virtio.net.VirtioNet.Config(
                  Served.MAC, java.util.OptionalInt.empty(), true, false),
              wire);
      try (VhostUserServer client =
              VhostUserServer.connect(device, new VhostUserOptions(1, false), path);
          var loop = dev.virtiolab.virtio.net.DeviceLoop.start(device, "nic")) {
        client.start();
        for (int i = 0; i < 3; i++) {
          dev.virtiolab.posix.UnixStream[] accepted = {null};
          until("connected", () -> (accepted[0] = listener.accept()) != null);
          try (FrontEnd peer = FrontEnd.over(accepted[0]).start(FrontEnd.F_VERSION_1)) {
            int before = wire.sentCount();
            peer.offerTransmit(0, Served.frame(60, i));
            until("sent", () -> wire.sentCount() == before + 1);
          }
        }
        assertTrue(loop.running());
      }
    }
  }

  /** Whoever comes again with the memory of before loses nothing: chains are taken in order. */
  @Test
  void afterAReconnectTheRingGoesOnAtItsUsedIndex() {
    FrontEnd before = served.connect().start(FrontEnd.F_VERSION_1);
    for (int i = 0; i < 4; i++) {
      assertTrue(served.passes(before, i));
    }
    before.hangUp();
    until("let go", () -> Served.foreignMaps() == 1);
    // Two frames are offered while nobody is there.
    before.offerTransmit(1, Served.frame(60, 40));
    before.offerTransmit(2, Served.frame(60, 41));
    try (FrontEnd again = FrontEnd.again(served.path, before)) {
      again.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL).shareMemory();
      again.rings[0] = before.rings[0];
      again.rings[1] = before.rings[1];
      // A base ahead of used.idx: as if one had been taken and not used.
      again.startRing(FrontEnd.RX, 4);
      again.startRing(FrontEnd.TX, 5);
      until("sent", () -> served.wire.sentCount() == 6);
      assertArrayEquals(Served.frame(60, 40), served.wire.sent().get(4));
      assertArrayEquals(Served.frame(60, 41), served.wire.sent().get(5));
      assertEquals(6, again.stopRing(FrontEnd.TX));
      assertNotEquals(0, served.server.counters().requests());
    } finally {
      before.close();
    }
  }
}
