package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.Served.until;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.MemFd;
import dev.virtiolab.virtio.fixture.FrontEnd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every page that is written is marked, and no other. */
class DirtyLogTest {
  private static final long LOG_BYTES = 0x1_8000_0000L / 4096 / 8;
  private static final long FEATURES = FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL;

  @TempDir Path folder;

  private static Set<Long> pages(MemorySegment log) {
    Set<Long> pages = new TreeSet<>();
    for (long at = 0; at < log.byteSize(); at++) {
      int bits = log.get(ValueLayout.JAVA_BYTE, at) & 0xff;
      for (int bit = 0; bit < 8; bit++) {
        if ((bits >>> bit & 1) != 0) {
          pages.add(at * 8 + bit);
        }
      }
    }
    log.fill((byte) 0);
    return pages;
  }

  @Test
  void writesToBuffersAndToTheUsedRing() {
    try (Served served = new Served(folder);
        FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1);
        MemFd file = MemFd.create("log", LOG_BYTES + 4096);
        Arena arena = Arena.ofShared()) {
      MemorySegment log = file.map(arena).asSlice(4096);
      ByteBuffer base = FrontEnd.payload(16).putLong(0, LOG_BYTES).putLong(8, 4096);
      assertEquals(0, peer.ask(FrontEnd.SET_LOG_BASE, base, file.fd()).u64());
      assertTrue(served.passes(peer, 1));
      assertEquals(Set.of(), pages(log), "nothing is logged before it is asked for");

      peer.mustTell(FrontEnd.SET_FEATURES, FrontEnd.u64(FEATURES | FrontEnd.F_LOG_ALL));
      assertTrue(served.passes(peer, 2));
      long buffer = (FrontEnd.GUEST_BASE + FrontEnd.RX_BUFFERS) / 4096;
      assertEquals(Set.of(buffer), pages(log), "the rings are not yet");

      // The used ring is logged where the front-end wants it, which need not be where it is.
      long elsewhere = 0x1_7000_0000L;
      peer.mustTell(FrontEnd.SET_VRING_ADDR, peer.addresses(FrontEnd.RX, 1, elsewhere));
      peer.offerReceive(3, 1); // bytes 6144 to 8192 behind the first: the second page
      served.wire.deliver(Served.frame(1000, 3));
      until("received", peer.rings[FrontEnd.RX]::poll);
      until("asleep", served.loop()::sleeping);
      assertEquals(Set.of(buffer + 1, elsewhere / 4096), pages(log));

      peer.mustTell(FrontEnd.SET_FEATURES, FrontEnd.u64(FEATURES));
      assertTrue(served.passes(peer, 4));
      until("asleep", served.loop()::sleeping);
      assertEquals(Set.of(), pages(log), "it has ended");
    }
  }

  @Test
  void aWriteAcrossPagesMarksEach() throws Exception {
    try (MemFd file = MemFd.create("log", 4096);
        Arena arena = Arena.ofShared()) {
      DirtyLog log = logIn(file);
      log.mark(0x1fff, 2);
      log.mark(0x2_0000, 1);
      log.mark(0x4_0000, 4096 * 3);
      assertEquals(Set.of(1L, 2L, 0x20L, 0x40L, 0x41L, 0x42L), pages(file.map(arena)));
      log.mark(4096L * 8 * 4096 - 1, 1);
      assertEquals(Set.of(4096L * 8 - 1), pages(file.map(arena)), "the last");
      assertEquals(0, log.beyond());
      log.mark(4096L * 8 * 4096 - 1, 2);
      log.mark(-1, 1);
      log.mark(Long.MIN_VALUE, Integer.MAX_VALUE);
      assertEquals(3, log.beyond());
      log.release();
    }
  }

  private static DirtyLog logIn(MemFd file) throws Exception {
    var files = new MappedFiles(false);
    try (var passed = new dev.virtiolab.posix.PassedFds(1)) {
      var pair = dev.virtiolab.posix.UnixStream.pair();
      MemorySegment one = Arena.ofAuto().allocate(1);
      pair[0].send(one, 0, 1, file.fd());
      pair[1].receive(one, 0, 1, passed);
      pair[0].close();
      pair[1].close();
      try (var fd = passed.take(0)) {
        return new DirtyLog(files.hold(fd), 0, 4096);
      }
    }
  }
}
