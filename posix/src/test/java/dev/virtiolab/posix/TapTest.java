package dev.virtiolab.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TapTest {
  private static final ValueLayout.OfShort BIG_ENDIAN_SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final int ETHER_TYPE = 12;
  private static final int ARP = 0x0806;
  private static final long TEN_SECONDS = 10_000_000_000L;

  /** Nobody else on this machine has the pid. */
  private final String name = "vt" + ProcessHandle.current().pid() % 10_000_000;

  @BeforeEach
  void needsATap() {
    Requirements.assumeTap();
  }

  @Test
  void interfaceLivesFromOpenToClose() throws IOException {
    Tap tap = Tap.open(name);
    assertEquals(name, tap.name());
    assertEquals(0, tap.vnetHeaderBytes());
    assertEquals(0, packets(tap, "rx"));
    tap.close();
    tap.close();
    assertThrows(AssertionError.class, () -> packets(tap, "rx"));
    assertThrows(IllegalStateException.class, tap::fd);
  }

  @Test
  void kernelChoosesANameWhereNoneIsGiven() throws IOException {
    try (Tap one = Tap.open("");
        Tap two = Tap.open("vtap%d")) {
      assertTrue(one.name().startsWith("tap"), one.name());
      assertTrue(two.name().matches("vtap[0-9]+"), two.name());
      assertEquals(0, packets(two, "rx"));
    }
  }

  @Test
  void takenNameIsBusy() {
    try (Tap tap = Tap.open(name)) {
      PosixException e = assertThrows(PosixException.class, () -> Tap.open(tap.name()));
      assertEquals("create tap " + name + ": Device or resource busy (EBUSY)", e.getMessage());
    }
    assertEquals(Errno.EBUSY, assertThrows(PosixException.class, () -> Tap.open("lo")).errno());
  }

  @Test
  void nameThatIsNoneIsRefused() {
    PosixException e = assertThrows(PosixException.class, () -> Tap.open("sixteen-bytes-xx"));
    assertEquals("create tap sixteen-bytes-xx: File name too long (ENAMETOOLONG)", e.getMessage());
    assertEquals(Errno.EINVAL, assertThrows(PosixException.class, () -> Tap.open("a/b")).errno());
  }

  @Test
  void interfaceThatIsDownTakesNothingAndHasNothing() {
    try (Tap tap = Tap.open(name);
        Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(2048);
      assertEquals(-Errno.EAGAIN, tap.read(buffer, 0, 2048));
      assertEquals(-Errno.EIO, tap.write(buffer, 0, 60));
    }
  }

  @Test
  void framesCrossBothWays() throws IOException, InterruptedException {
    Requirements.assumeProgram("ip", "iproute2");
    try (Tap tap = Tap.open(name);
        Poll poll = new Poll(1);
        Arena arena = Arena.ofConfined()) {
      long txBefore = packets(tap, "rx");
      up(tap);
      // The kernel looks for a neighbour that is not there, and asks by ARP.
      ip("neigh", "add", "198.18.77.2", "dev", name, "nud", "probe", "lladdr", "02:00:00:00:00:01");
      MemorySegment buffer = arena.allocate(2048);
      poll.add(tap.fd());
      int type = 0;
      long deadline = System.nanoTime() + TEN_SECONDS;
      while (type != ARP && System.nanoTime() < deadline) {
        poll.await(deadline - System.nanoTime());
        int length = tap.read(buffer, 0, 2048);
        type = length < 14 ? 0 : Short.toUnsignedInt(buffer.get(BIG_ENDIAN_SHORT, ETHER_TYPE));
      }
      assertEquals(ARP, type);
      assertEquals(60, tap.write(buffer, 0, 60));
      assertEquals(txBefore + 1, packets(tap, "rx"));
    }
  }

  @Test
  void virtioHeaderComesBeforeEachFrame() throws IOException, InterruptedException {
    Requirements.assumeProgram("ip", "iproute2");
    try (Tap tap = Tap.open(name, 12);
        Arena arena = Arena.ofConfined()) {
      assertEquals(12, tap.vnetHeaderBytes());
      up(tap);
      MemorySegment buffer = arena.allocate(2048);
      assertEquals(-Errno.EINVAL, tap.write(buffer, 0, 11));
      assertEquals(72, tap.write(buffer, 0, 72));
      assertEquals(1, packets(tap, "rx"));
    }
  }

  @Test
  void interfaceDeletedInMidRunIsABadDescriptor() throws IOException, InterruptedException {
    Requirements.assumeProgram("ip", "iproute2");
    try (Tap tap = Tap.open(name);
        Poll poll = new Poll(1);
        Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(2048);
      int index = poll.add(tap.fd());
      ip("link", "delete", name);
      assertEquals(1, poll.await(0));
      assertTrue(poll.failed(index));
      assertEquals(-Errno.EBADFD, tap.read(buffer, 0, 2048));
      assertEquals(-Errno.EBADFD, tap.write(buffer, 0, 60));
    }
  }

  @Test
  void bufferIsCheckedBeforeTheKernelSeesIt() {
    try (Tap tap = Tap.open(name);
        Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(64);
      assertThrows(IndexOutOfBoundsException.class, () -> tap.read(buffer, 1, 64));
      assertThrows(IndexOutOfBoundsException.class, () -> tap.write(buffer, -1, 64));
      MemorySegment heap = MemorySegment.ofArray(new byte[64]);
      assertThrows(IllegalArgumentException.class, () -> tap.write(heap, 0, 64));
    }
  }

  private void up(Tap tap) throws IOException, InterruptedException {
    ip("address", "add", "198.18.77.1/30", "dev", tap.name());
    ip("link", "set", tap.name(), "up");
  }

  private static long packets(Tap tap, String direction) throws IOException {
    // Unlike /sys, /proc/net shows the namespace of whoever reads it.
    for (String line : Files.readAllLines(Path.of("/proc/net/dev"))) {
      String[] columns = line.strip().split("[: ]+");
      if (columns[0].equals(tap.name())) {
        return Long.parseLong(columns[direction.equals("rx") ? 2 : 10]);
      }
    }
    throw new AssertionError(tap.name() + " is not in /proc/net/dev");
  }

  private static void ip(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), command + ": " + output);
  }
}
