package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.Offload;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.posix.fixture.Allocation;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a frame costs the heap, each way: nothing. */
class AllocationTest {
  private static final int FRAMES = 128 * 400;
  private static final int FRAME_BYTES = 1514;

  /** The JVM's own doing in the measured run, not per frame. */
  private static final long NOISE_BYTES = 4096;

  private static final long CSUM = FeatureBits.VIRTIO_NET_F_CSUM;
  private static final long TSO4 = FeatureBits.VIRTIO_NET_F_HOST_TSO4;
  private static final byte[] SEGMENTS =
      Packets.partial(4, 0, 0, Packets.TCP, 0x18, new byte[4000]);

  /** TCP over IPv4 in three segments. */
  private static final long CUT = Offload.of(1, Offload.GSO_TCPV4, 1400, 34, 16);

  /** Its checksum alone. */
  private static final long COMPLETE = Offload.of(1, 0, 0, 34, 16);

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void framesAllocateNothing(boolean eventIdx) {
    new Traffic(eventIdx ? FeatureBits.VIRTIO_F_EVENT_IDX : 0, 1).measure(1, 1, 1);
  }

  @Test
  void framesOfSeveralPairsAllocateNothing() {
    new Traffic(FeatureBits.VIRTIO_NET_F_CTRL_VQ | FeatureBits.VIRTIO_NET_F_MQ, 2).measure(1, 1, 1);
  }

  /** Each fills three buffers, and is written to them one by one. */
  @Test
  void mergedFramesAllocateNothing() {
    Traffic traffic = new Traffic(FeatureBits.VIRTIO_NET_F_MRG_RXBUF, 1);
    traffic.bufferBytes = 600;
    traffic.measure(3, 1, 1);
  }

  /** Cut in software both ways: the wire does not, and the driver takes none. */
  @Test
  void framesThatAreCutAllocateNothing() {
    Traffic traffic = new Traffic(CSUM | TSO4, 1);
    traffic.frame(SEGMENTS, CUT);
    traffic.measure(3, 3, 3);
  }

  /** Likewise in a tunnel, with a checksum of its own. */
  @Test
  void tunnelsThatAreCutAllocateNothing() {
    Packets.Tunnelled tunnelled = Packets.tunnelled(4, 0, 0, new byte[8], SEGMENTS, true, true);
    Traffic traffic =
        new Traffic(
            CSUM | TSO4 | FeatureBits.VIRTIO_NET_F_HOST_TSO6 | FeatureBits.VIRTIO_NET_F_HOST_USO,
            1);
    traffic.tunnel(tunnelled);
    traffic.measure(3, 3, 3);
  }

  @Test
  void checksumsThatAreCompletedAllocateNothing() {
    Traffic traffic = new Traffic(CSUM | FeatureBits.VIRTIO_NET_F_MRG_RXBUF, 1);
    traffic.frame(SEGMENTS, COMPLETE);
    traffic.measure(2, 1, 1);
    assertTrue(traffic.device.counters().workedIn() > 0);
    assertTrue(traffic.device.counters().workedOut() > 0);
  }

  /** A driver with one or more pairs of queues, and wires that have what it is told. */
  private static final class Traffic {
    private final List<Wire> wires = new ArrayList<>();
    private final long features;
    private final PhysicalMemory memory = PhysicalMemory.allocate(4 << 20);
    private final VirtioNet device;
    private final VirtioPciFunction function;
    private int bufferBytes = 2048;

    /** Feature bits 64 to 95. */
    private long thirdWord;

    private int headerBytes = 12;
    private int sendBytes = FRAME_BYTES;

    Traffic(long features, int pairs) {
      this.features = features;
      for (int i = 0; i < pairs; i++) {
        wires.add(new Wire());
      }
      device =
          new VirtioNet(
              new VirtioNet.Config(new byte[6], OptionalInt.empty(), false, false), wires);
      function =
          VirtioPciFunction.conventional(
              device,
              memory.busView(),
              memory.busView(),
              (address, data) -> {},
              InterruptPin.UNCONNECTED);
    }

    /** What goes both ways. */
    void frame(byte[] bytes, long work) {
      MemorySegment ram = memory.regions().getFirst().segment();
      MemorySegment.copy(
          bytes, 0, ram, ValueLayout.JAVA_BYTE, 0x10_0000 + headerBytes, bytes.length);
      ram.set(ValueLayout.JAVA_BYTE, 0x10_0000, (byte) Offload.flags(work));
      ram.set(ValueLayout.JAVA_BYTE, 0x10_0001, (byte) Offload.gsoType(work));
      ram.set(ValueLayout.JAVA_SHORT, 0x10_0004, (short) Offload.gsoSize(work));
      ram.set(ValueLayout.JAVA_SHORT, 0x10_0006, (short) Offload.csumStart(work));
      ram.set(ValueLayout.JAVA_SHORT, 0x10_0008, (short) Offload.csumOffset(work));
      sendBytes = bytes.length;
      for (Wire wire : wires) {
        MemorySegment.copy(bytes, 0, wire.in, ValueLayout.JAVA_BYTE, 0, bytes.length);
        wire.length = bytes.length;
        wire.work = work;
      }
    }

    /** Goes both ways, by a driver that accepts tunnels for what it sends. */
    void tunnel(Packets.Tunnelled tunnelled) {
      thirdWord = 0b11000;
      headerBytes = 24;
      int type = Offload.GSO_TCPV4 | Offload.GSO_UDP_TUNNEL_IPV4;
      frame(tunnelled.frame(), Offload.of(9, type, 1400, tunnelled.innerTransport(), 16));
      MemorySegment ram = memory.regions().getFirst().segment();
      ram.set(ValueLayout.JAVA_SHORT, 0x10_0014, (short) tunnelled.outerTransport());
      ram.set(ValueLayout.JAVA_SHORT, 0x10_0016, (short) tunnelled.innerNetwork());
      wires.getFirst().tunnel =
          Offload.tunnel(tunnelled.outerTransport(), tunnelled.innerNetwork());
    }

    /**
     * Sends and receives, and holds what the heap says against nothing.
     *
     * @param buffers that a frame from the wire takes
     * @param sent frames on the wire for each that is sent
     * @param received frames for the driver for each on the wire
     */
    void measure(int buffers, int sent, int received) {
      MemorySegment ram = memory.regions().getFirst().segment();
      int control = FeatureBits.has(features, FeatureBits.VIRTIO_NET_F_MQ) ? 2 * wires.size() : 2;
      function.configWrite(4, 2, 6);
      write(function, 0x14, 1, 3);
      write(function, 8, 4, 0);
      write(function, 0xc, 4, features & 0xffff_ffffL);
      write(function, 8, 4, 1);
      write(function, 0xc, 4, 1 | features >>> 32);
      write(function, 8, 4, 2);
      write(function, 0xc, 4, thirdWord);
      write(function, 0x14, 1, 0xb);
      boolean eventIdx = FeatureBits.has(features, FeatureBits.VIRTIO_F_EVENT_IDX);
      DriverRing[] rings = new DriverRing[2 * wires.size()];
      for (int queue = 0; queue < rings.length; queue++) {
        rings[queue] = enable(function, ram, queue, 256, eventIdx);
      }
      DriverRing commands = enable(function, ram, control, 64, eventIdx);
      write(function, 0x14, 1, 0xf);
      if (wires.size() > 1) {
        ram.set(ValueLayout.JAVA_INT, 0x30_0000, 4 | wires.size() << 16);
        commands.begin().readable(0x30_0000, 4).writable(0x30_0010, 1).offer();
        commands.publish();
        function.barWrite(4, 0x3000 + 4L * control, 2, control);
        device.poll(1);
        assertTrue(commands.poll() && ram.get(ValueLayout.JAVA_BYTE, 0x30_0010) == 0);
      }
      int frames = 64 / buffers;
      int rounds = FRAMES / (64 * wires.size() * sent);
      long bytes = Allocation.bytesOf(5, () -> run(rings, rounds, frames, buffers));
      long each = 6L * rounds * frames * wires.size();
      assertEquals(each * sent, device.counters().framesSent());
      assertEquals(each * received, device.counters().framesReceived());
      assertTrue(bytes < NOISE_BYTES, bytes + " bytes for " + 2 * rounds * frames + " frames");
      memory.close();
    }

    private void run(DriverRing[] rings, int rounds, int frames, int buffers) {
      for (int round = 0; round < rounds; round++) {
        for (int queue = 0; queue < rings.length; queue += 2) {
          for (int i = 0; i < frames; i++) {
            rings[queue + 1].begin().readable(0x10_0000, headerBytes + sendBytes).offer();
          }
          for (int i = 0; i < frames * buffers; i++) {
            rings[queue].begin().writable(0x20_0000, bufferBytes).offer();
          }
          rings[queue + 1].publish();
          rings[queue].publish();
          function.barWrite(4, 0x3000 + 4L * queue, 2, queue);
          function.barWrite(4, 0x3004 + 4L * queue, 2, queue + 1);
          wires.get(queue / 2).waiting = frames;
        }
        while (device.poll(64) > 0) {
          // Until both directions are done.
        }
        for (DriverRing ring : rings) {
          while (ring.poll()) {
            // Reclaim.
          }
        }
        function.barRead(4, 0x1000, 1);
      }
    }
  }

  private static DriverRing enable(
      VirtioPciFunction function, MemorySegment ram, int queue, int size, boolean eventIdx) {
    DriverRing ring = new DriverRing(ram, 0, 0x1_0000 * (queue + 1), size, eventIdx);
    write(function, 0x16, 2, queue);
    write(function, 0x18, 2, size);
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
    private final MemorySegment out = Arena.ofAuto().allocate(8192);
    private final MemorySegment in = Arena.ofAuto().allocate(8192);
    private final BackendCounters counters = new BackendCounters();
    private int waiting;
    private int length = FRAME_BYTES;
    private long work;
    private int tunnel;

    @Override
    public int maxFrameLength() {
      return 8192;
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
      return waiting > 0 ? length : 0;
    }

    @Override
    public long peekedOffload() {
      return work;
    }

    @Override
    public int peekedTunnel() {
      return tunnel;
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
