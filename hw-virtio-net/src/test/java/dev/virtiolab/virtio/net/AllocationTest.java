package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.posix.fixture.Allocation;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a frame costs the heap, each way: nothing. */
class AllocationTest {
  private static final int FRAMES = 256 * 200;
  private static final int FRAME_BYTES = 1514;

  /** The JVM's own doing in the measured run, not per frame. */
  private static final long NOISE_BYTES = 4096;

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void framesAllocateNothing(boolean eventIdx) {
    try (PhysicalMemory memory = PhysicalMemory.allocate(4 << 20)) {
      Wire wire = new Wire();
      VirtioNet device =
          new VirtioNet(new VirtioNet.Config(new byte[6], OptionalInt.empty(), false, false), wire);
      VirtioPciFunction function =
          VirtioPciFunction.conventional(
              device,
              memory.busView(),
              memory.busView(),
              (address, data) -> {},
              InterruptPin.UNCONNECTED);
      MemorySegment ram = memory.regions().getFirst().segment();
      function.configWrite(4, 2, 6);
      write(function, 0x14, 1, 3);
      write(function, 8, 4, 0);
      write(function, 0xc, 4, eventIdx ? 1 << 29 : 0);
      write(function, 8, 4, 1);
      write(function, 0xc, 4, 1);
      write(function, 0x14, 1, 0xb);
      DriverRing receive = enable(function, ram, 0, eventIdx);
      DriverRing transmit = enable(function, ram, 1, eventIdx);
      write(function, 0x14, 1, 0xf);

      long bytes =
          Allocation.bytesOf(
              5,
              () -> {
                for (int done = 0; done < FRAMES; done += 128) {
                  for (int i = 0; i < 128; i++) {
                    transmit.begin().readable(0x10_0000, 12 + FRAME_BYTES).offer();
                    receive.begin().writable(0x20_0000, 2048).offer();
                  }
                  transmit.publish();
                  receive.publish();
                  function.barWrite(4, 0x3000, 2, 0);
                  function.barWrite(4, 0x3004, 2, 1);
                  wire.waiting = 128;
                  while (device.poll(64) > 0) {
                    // Until both directions are done.
                  }
                  while (transmit.poll()) {
                    // Reclaim.
                  }
                  while (receive.poll()) {
                    // Reclaim.
                  }
                  function.barRead(4, 0x1000, 1);
                }
              });
      assertTrue(
          device.counters().framesSent() == 6L * FRAMES
              && device.counters().framesReceived() == 6L * FRAMES,
          "every frame must have passed");
      assertTrue(bytes < NOISE_BYTES, bytes + " bytes for " + 2 * FRAMES + " frames");
    }
  }

  private static DriverRing enable(
      VirtioPciFunction function, MemorySegment ram, int queue, boolean eventIdx) {
    DriverRing ring = new DriverRing(ram, 0, 0x1_0000 * (queue + 1), 256, eventIdx);
    write(function, 0x16, 2, queue);
    write(function, 0x20, 8, ring.descriptorArea());
    write(function, 0x28, 8, ring.driverArea());
    write(function, 0x30, 8, ring.deviceArea());
    write(function, 0x1c, 2, 1);
    return ring;
  }

  private static void write(VirtioPciFunction function, int offset, int width, long value) {
    function.barWrite(4, offset, width, value);
  }

  /** Swallows every frame, and has as many as it is told. */
  private static final class Wire implements NetBackend {
    private final MemorySegment out = Arena.ofAuto().allocate(2048);
    private final MemorySegment in = Arena.ofAuto().allocate(2048);
    private final BackendCounters counters = new BackendCounters();
    private int waiting;

    @Override
    public int maxFrameLength() {
      return FRAME_BYTES;
    }

    @Override
    public boolean claim(int length) {
      return true;
    }

    @Override
    public MemorySegment claimed() {
      return out;
    }

    @Override
    public long claimedOffset() {
      return 0;
    }

    @Override
    public void commit() {}

    @Override
    public void abort() {}

    @Override
    public void flush() {}

    @Override
    public int peek() {
      return waiting > 0 ? FRAME_BYTES : 0;
    }

    @Override
    public MemorySegment peeked() {
      return in;
    }

    @Override
    public long peekedOffset() {
      return 0;
    }

    @Override
    public void release() {
      waiting--;
    }

    @Override
    public int readableFd() {
      return -1;
    }

    @Override
    public void onReady(Runnable wake) {}

    @Override
    public boolean linkUp() {
      return true;
    }

    @Override
    public BackendCounters counters() {
      return counters;
    }

    @Override
    public void close() {}
  }
}
