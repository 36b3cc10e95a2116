package dev.virtiolab.virtio.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.posix.fixture.Allocation;
import dev.virtiolab.virtio.fixture.FrontEnd;
import dev.virtiolab.virtio.net.VirtioNet;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A frame costs the Java heap nothing, whatever a front-end has asked for. */
class FrameCostTest {
  private static final int ROUNDS = 2000;
  private static final long SHIFT = 0x7000_0000_0000L;

  private long allocated;

  @ParameterizedTest
  @ValueSource(
      longs = {
        FrontEnd.F_VERSION_1,
        FrontEnd.F_VERSION_1 | FrontEnd.F_EVENT_IDX,
        FrontEnd.F_VERSION_1 | FrontEnd.F_ACCESS_PLATFORM
      })
  void thereAndBackAllocatesNothing(long features, @TempDir Path folder) {
    LoopbackBackend wire = LoopbackBackend.single(64, 1514);
    VirtioNet device =
        new VirtioNet(new VirtioNet.Config(Served.MAC, OptionalInt.empty(), true, false), wire);
    String path = folder.resolve("vhost").toString();
    try (VhostUserServer server =
        VhostUserServer.listen(device, new VhostUserOptions(1, false), path)) {
      server.start();
      try (FrontEnd peer = FrontEnd.connect(path)) {
        start(peer, features);
        byte[] frame = Served.frame(1000, 1);
        // Until the JVM has compiled it all, a slice of memory that lives for a line is an object.
        long least = Long.MAX_VALUE;
        for (int attempt = 0; attempt < 20 && least >= ROUNDS; attempt++) {
          allocated = 0;
          for (int round = 0; round < ROUNDS; round++) {
            thereAndBack(device, peer, frame);
          }
          least = Math.min(least, allocated);
        }
        assertTrue(least < ROUNDS, "bytes per frame there and back: " + (double) least / ROUNDS);
        assertEquals(0, device.counters().drops());
      }
    }
  }

  private static void start(FrontEnd peer, long features) {
    boolean translated = (features & FrontEnd.F_ACCESS_PLATFORM) != 0;
    peer.negotiate(features | FrontEnd.F_PROTOCOL).shareMemory();
    if (translated) {
      peer.iovaShift = SHIFT;
      ByteBuffer update = FrontEnd.payload(32);
      update.putLong(0, SHIFT + FrontEnd.GUEST_BASE).putLong(8, FrontEnd.MEMORY_BYTES);
      update.putLong(16, FrontEnd.USER_BASE).put(24, (byte) 3).put(25, (byte) 2);
      assertEquals(0, peer.ask(FrontEnd.IOTLB_MSG, update).u64());
    }
    for (int ring : new int[] {FrontEnd.RX, FrontEnd.TX}) {
      peer.makeRing(ring, 256, (features & FrontEnd.F_EVENT_IDX) != 0);
      peer.startRing(ring, 0);
    }
  }

  private void thereAndBack(VirtioNet device, FrontEnd peer, byte[] frame) {
    peer.offerTransmit(0, frame);
    peer.offerReceive(0, 1);
    long before = Allocation.bytesSoFar();
    device.poll(8);
    device.poll(8);
    allocated += Allocation.bytesSoFar() - before;
    if (!peer.rings[FrontEnd.TX].poll() || !peer.rings[FrontEnd.RX].poll()) {
      throw new AssertionError("it did not come back");
    }
  }
}
