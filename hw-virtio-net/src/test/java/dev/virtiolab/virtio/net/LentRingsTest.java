package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.pci.fixture.VfioUserClient;
import dev.virtiolab.pci.vfiouser.ClientInterrupts;
import dev.virtiolab.pci.vfiouser.ClientMemory;
import dev.virtiolab.pci.vfiouser.VfioUserServer;
import dev.virtiolab.posix.MemFd;
import dev.virtiolab.posix.UnixListener;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A device whose rings and buffers lie in memory of another process, which takes them away while
 * the device is at work: vfio-user's VFIO_USER_DMA_UNMAP, of a page or of everything.
 */
class LentRingsTest {
  private static final int PAGE = 4096;
  private static final int PAGES = 64;
  private static final int ROUNDS = 150;
  private static final int FRAME_BYTES = 100;
  private static final int QUEUE_SIZE = 64;
  private static final int RW = 3;
  private static final int CONFIG = 7;
  private static final int REGISTERS = VirtioPciFunction.REGISTER_BAR;
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long RX_RING = 0x1000;
  private static final long TX_RING = 0x4000;
  private static final long BUFFERS = 0x10000;

  private final SplittableRandom random;
  private final MemFd file = MemFd.create("lent", (long) PAGES * PAGE);
  private final MemorySegment ram = file.map(Arena.ofAuto());
  private final boolean[] mapped = new boolean[PAGES];
  private VfioUserClient client;

  LentRingsTest() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("LentRingsTest: -Dvirtiolab.seed=" + seed);
    random = new SplittableRandom(seed);
  }

  @Test
  void memoryThatGoesIsAFaultAndNeverACrash(@TempDir Path folder) {
    ClientMemory memory = new ClientMemory(false);
    ClientInterrupts interrupts = new ClientInterrupts();
    byte[] mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    LoopbackBackend wire = LoopbackBackend.single(256, 2048);
    VirtioNet nic =
        new VirtioNet(new VirtioNet.Config(mac, OptionalInt.empty(), true, false), wire);
    VirtioPciFunction function =
        VirtioPciFunction.conventional(nic, memory, memory, interrupts, interrupts);
    String path = folder.resolve("socket").toString();
    try (DeviceLoop loop = DeviceLoop.start(nic, "lent");
        VfioUserServer server =
            VfioUserServer.start(UnixListener.listen(path), function, memory, interrupts)) {
      client = VfioUserClient.open(path);
      client.write(CONFIG, 4, (byte) 6, (byte) 0);
      for (int round = 0; round < ROUNDS; round++) {
        mapAll();
        DriverRing[] rings = start();
        offer(rings);
        // The device is in the midst of its queues, or asleep, or broken: whatever it is.
        for (int i = random.nextInt(12); i >= 0; i--) {
          takeSomething();
          kick();
          assertTrue(loop.running() && server.running(), "round " + round);
        }
      }
      assertTrue(function.deviceMemory().faults() > 0, "nothing ever faulted");
      mapAll();
      DriverRing[] rings = start();
      offer(rings);
      kick();
      long begun = System.nanoTime();
      while (!rings[1].poll()) {
        assertTrue(System.nanoTime() - begun < DEADLINE_NANOS, "it does not work any more");
        Thread.onSpinWait();
      }
      assertEquals(0, server.counters().refused());
      client.close();
    } finally {
      wire.close();
      file.close();
    }
  }

  private void mapAll() {
    for (int page = 0; page < PAGES; page++) {
      if (!mapped[page]) {
        long at = (long) page * PAGE;
        assertEquals(0, client.map(at, PAGE, RW, at, file.fd()).errno());
        mapped[page] = true;
      }
    }
  }

  private void takeSomething() {
    if (random.nextInt(8) == 0) {
      assertEquals(0, client.unmap(0, 0, 2).errno());
      Arrays.fill(mapped, false);
      return;
    }
    int first = random.nextInt(PAGES);
    int count = 1 + random.nextInt(Math.min(8, PAGES - first));
    assertEquals(0, client.unmap((long) first * PAGE, (long) count * PAGE, 0).errno());
    Arrays.fill(mapped, first, first + count, false);
    if (random.nextBoolean()) {
      mapAll();
    }
  }

  // ---- a driver, by messages

  private DriverRing[] start() {
    register(0x14, 1, 0);
    register(0x14, 1, 1);
    register(0x14, 1, 3);
    register(8, 4, 1);
    register(0xc, 4, 1); // VIRTIO_F_VERSION_1
    register(0x14, 1, 11);
    DriverRing[] rings = {setUp(0, RX_RING), setUp(1, TX_RING)};
    register(0x14, 1, 15);
    return rings;
  }

  private DriverRing setUp(int queue, long at) {
    DriverRing ring = new DriverRing(ram, 0, at, QUEUE_SIZE, false);
    register(0x16, 2, queue);
    register(0x18, 2, QUEUE_SIZE);
    register(0x20, 8, ring.descriptorArea());
    register(0x28, 8, ring.driverArea());
    register(0x30, 8, ring.deviceArea());
    register(0x1c, 2, 1);
    return ring;
  }

  private void offer(DriverRing... rings) {
    for (int i = 0; i < QUEUE_SIZE; i++) {
      rings[0].begin().writable(buffer(i), 2048).offer();
      rings[1].begin().readable(buffer(i), FRAME_BYTES).offer();
    }
    rings[0].publish();
    rings[1].publish();
    kick();
  }

  private long buffer(int number) {
    return BUFFERS + (long) number * 2048 + random.nextInt(1000);
  }

  private void kick() {
    register(0x3004, 2, 1);
  }

  private void register(long offset, int width, long value) {
    byte[] bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
    assertEquals(0, client.write(REGISTERS, offset, Arrays.copyOf(bytes, width)).errno());
  }
}
