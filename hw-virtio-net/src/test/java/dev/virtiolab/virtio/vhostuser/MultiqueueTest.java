package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.Served.frame;
import static dev.virtiolab.virtio.vhostuser.Served.until;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.virtio.fixture.FrontEnd;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several pairs of queues by vhost-user: which are in use SET_VRING_ENABLE says. */
class MultiqueueTest {
  private static final int PAIRS = 3;
  private static final long F_MQ = 1L << 22;

  private Served served;
  private FrontEnd peer;

  @BeforeEach
  void serve(@TempDir Path folder) {
    served = Served.ofPairs(folder, PAIRS);
    peer = served.connect();
  }

  @AfterEach
  void close() {
    peer.close();
    served.close();
  }

  private List<Boolean> attached() {
    return served.wires.stream().map(ScriptedBackend::attached).toList();
  }

  private void awaitAttached(Boolean... wanted) {
    until("attached as " + List.of(wanted), () -> attached().equals(List.of(wanted)));
  }

  /** Everything but SET_VRING_ENABLE. */
  private void prepare(int ring) {
    peer.makeRing(ring, 64, false);
    peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(ring, 64));
    peer.mustTell(FrontEnd.SET_VRING_BASE, FrontEnd.state(ring, 0));
    peer.mustTell(FrontEnd.SET_VRING_ADDR, peer.addresses(ring, 0, 0));
    peer.mustTell(FrontEnd.SET_VRING_CALL, FrontEnd.u64(ring), peer.calls[ring].fd());
    peer.mustTell(FrontEnd.SET_VRING_KICK, FrontEnd.u64(ring), peer.kicks[ring].fd());
  }

  private void enable(int pair, boolean on) {
    for (int ring = 2 * pair; ring < 2 * pair + 2; ring++) {
      peer.mustTell(FrontEnd.SET_VRING_ENABLE, FrontEnd.state(ring, on ? 1 : 0));
    }
  }

  private void startAll() {
    peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL | F_MQ);
    peer.shareMemory();
    for (int ring = 0; ring < 2 * PAIRS; ring++) {
      prepare(ring);
    }
  }

  private void passes(int pair, int seed) {
    ScriptedBackend wire = served.wires.get(pair);
    int before = wire.sentCount();
    peer.offerTransmit(pair, 0, frame(60, seed));
    until("sent by pair " + pair, () -> wire.sentCount() == before + 1);
    assertArrayEquals(frame(60, seed), wire.sent().getLast());
    until("used", peer.rings[2 * pair + FrontEnd.TX]::poll);
    peer.offerReceive(pair, 0, 1);
    wire.deliver(frame(98, seed));
    until("received by pair " + pair, peer.rings[2 * pair]::poll);
    assertTrue(peer.receivedEquals(64 * pair, peer.rings[2 * pair].usedLength(), frame(98, seed)));
  }

  @Test
  void frontEndIsToldHowManyPairsThereAre() {
    assertEquals(PAIRS, peer.get(FrontEnd.GET_QUEUE_NUM));
    assertEquals(F_MQ, peer.get(FrontEnd.GET_FEATURES) & F_MQ);
    assertEquals(0, peer.get(FrontEnd.GET_FEATURES) & 1L << 17, "the control queue is its own");
    peer.negotiate(FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL | F_MQ);
    FrontEnd.Reply config =
        peer.ask(
            FrontEnd.GET_CONFIG, FrontEnd.payload(12 + 10).putInt(0, 0).putInt(4, 10).putInt(8, 0));
    assertEquals(PAIRS, config.payload().getShort(12 + 8));
    ByteBuffer beyond = FrontEnd.state(2 * PAIRS, 64);
    assertTrue(peer.tell(FrontEnd.SET_VRING_NUM, beyond) != 0);
  }

  @Test
  void pairsAreUsedWhileTheyAreEnabled() {
    startAll();
    assertEquals(List.of(true, false, false), attached());
    enable(0, true);
    passes(0, 1);
    enable(1, true);
    awaitAttached(true, true, false);
    passes(1, 2);
    enable(2, true);
    awaitAttached(true, true, true);
    passes(2, 3);
    passes(0, 4);
    enable(1, false);
    awaitAttached(true, false, true);
    passes(2, 5);
    enable(0, false);
    awaitAttached(false, false, true);
    passes(2, 6);
    enable(2, false);
    awaitAttached(true, false, false);
    enable(0, true);
    passes(0, 7);
  }

  @Test
  void pairWhoseRingStopsIsLeftOut() {
    startAll();
    for (int pair = 0; pair < PAIRS; pair++) {
      enable(pair, true);
    }
    awaitAttached(true, true, true);
    peer.stopRing(2);
    awaitAttached(true, false, true);
    passes(0, 1);
    passes(2, 2);
  }

  @Test
  void frontEndThatKnowsOfOnePairHasOne() {
    peer.start(FrontEnd.F_VERSION_1);
    assertTrue(served.passes(peer, 1));
    assertEquals(List.of(true, false, false), attached());
  }

  @Test
  void nextFrontEndFindsOnePairInUse() {
    startAll();
    for (int pair = 0; pair < PAIRS; pair++) {
      enable(pair, true);
    }
    awaitAttached(true, true, true);
    peer.hangUp();
    awaitAttached(true, false, false);
    assertTrue(served.works());
  }
}
