package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.ForwardingBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.Offload;
import dev.virtiolab.pci.function.InterruptPin;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.OptionalInt;

/** A driver of a NIC whose wire is a real one, of which it says itself what is left to do. */
final class WireDriver implements AutoCloseable {
  static final byte[] MAC = {2, 0, 0, 0, 0, 1};

  /** All that lets a driver leave tunnels to the device. */
  static final Features SENDS_TUNNELS =
      Features.of(
              FeatureBits.VIRTIO_F_VERSION_1
                  | FeatureBits.VIRTIO_NET_F_CSUM
                  | FeatureBits.VIRTIO_NET_F_HOST_TSO4
                  | FeatureBits.VIRTIO_NET_F_HOST_TSO6
                  | FeatureBits.VIRTIO_NET_F_HOST_USO)
          .with(FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO)
          .with(FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM);

  /** And the device leave tunnels to it. */
  static final Features SENDS_AND_TAKES_TUNNELS =
      SENDS_TUNNELS
          .with(
              FeatureBits.VIRTIO_NET_F_GUEST_CSUM
                  | FeatureBits.VIRTIO_NET_F_GUEST_TSO4
                  | FeatureBits.VIRTIO_NET_F_GUEST_TSO6
                  | FeatureBits.VIRTIO_NET_F_GUEST_USO4
                  | FeatureBits.VIRTIO_NET_F_GUEST_USO6)
          .with(FeatureBits.VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO)
          .with(FeatureBits.VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM);

  private static final long BUFFER = 0x10_0000;
  private static final long RX_BUFFERS = 0x20_0000;
  private static final int RX_BYTES = 0x1_1000;
  private static final int RX_COUNT = 16;

  /** A frame and the header before it. */
  record Received(byte[] header, byte[] frame) {}

  /** A wire that does nothing with frames but carry them. */
  private static final class Plain extends ForwardingBackend {
    Plain(NetBackend inner) {
      super(inner);
    }
  }

  private final PhysicalMemory memory = PhysicalMemory.allocate(4 << 20);
  private final MemorySegment ram = memory.regions().getFirst().segment();
  private final VirtioNet device;
  private final VirtioPciFunction function;
  private final int headerBytes;
  private final DriverRing receive;
  private final DriverRing transmit;

  /** Which buffer each chain has. */
  private final int[] buffers = new int[256];

  /**
   * A driver that is up.
   *
   * @param plain whether the wire does no work on frames, whatever it could do
   */
  WireDriver(NetBackend wire, boolean plain, Features features) {
    device =
        new VirtioNet(
            new VirtioNet.Config(MAC, OptionalInt.empty(), false, false),
            plain ? new Plain(wire) : wire);
    function =
        VirtioPciFunction.conventional(
            device,
            memory.busView(),
            memory.busView(),
            (address, data) -> {},
            InterruptPin.UNCONNECTED);
    headerBytes = (features.high() & 0b1010) != 0 ? 24 : 12;
    function.configWrite(4, 2, 6);
    write(0x14, 1, 3);
    for (int select = 0; select < 4; select++) {
      write(8, 4, select);
      write(0xc, 4, features.word(select) & 0xffff_ffffL);
    }
    write(0x14, 1, 0xb);
    receive = enable(0);
    transmit = enable(1);
    write(0x14, 1, 0xf);
    assertEquals(0xf, function.deviceStatus());
    for (int i = 0; i < RX_COUNT; i++) {
      offer(i);
    }
  }

  VirtioNet device() {
    return device;
  }

  private DriverRing enable(int queue) {
    DriverRing ring = new DriverRing(ram, 0, 0x1_0000L * (queue + 1), 256, false);
    write(0x16, 2, queue);
    write(0x20, 8, ring.descriptorArea());
    write(0x28, 8, ring.driverArea());
    write(0x30, 8, ring.deviceArea());
    write(0x1c, 2, 1);
    return ring;
  }

  private void write(int offset, int width, long value) {
    function.barWrite(4, offset, width, value);
  }

  private void offer(int number) {
    int head = receive.begin().writable(RX_BUFFERS + (long) RX_BYTES * number, RX_BYTES).offer();
    buffers[head] = number;
    receive.publish();
  }

  /** Sends a frame, all of its pieces if it has to be cut. */
  void send(byte[] frame, long work, int tunnel) {
    ram.asSlice(BUFFER, headerBytes).fill((byte) 0);
    ram.set(ValueLayout.JAVA_BYTE, BUFFER, (byte) Offload.flags(work));
    ram.set(ValueLayout.JAVA_BYTE, BUFFER + 1, (byte) Offload.gsoType(work));
    ram.set(ValueLayout.JAVA_SHORT, BUFFER + 4, (short) Offload.gsoSize(work));
    ram.set(ValueLayout.JAVA_SHORT, BUFFER + 6, (short) Offload.csumStart(work));
    ram.set(ValueLayout.JAVA_SHORT, BUFFER + 8, (short) Offload.csumOffset(work));
    if (headerBytes > 12) {
      ram.set(ValueLayout.JAVA_SHORT, BUFFER + 20, (short) (tunnel >>> 16));
      ram.set(ValueLayout.JAVA_SHORT, BUFFER + 22, (short) tunnel);
    }
    MemorySegment.copy(frame, 0, ram, ValueLayout.JAVA_BYTE, BUFFER + headerBytes, frame.length);
    transmit.begin().readable(BUFFER, headerBytes + frame.length).offer();
    transmit.publish();
    while (device.poll(8) > 0) {
      // Until all pieces are out.
    }
    assertTrue(transmit.poll());
    assertEquals(0, device.counters().drops());
  }

  /** Looks once for what the kernel has sent; null for nothing. */
  Received next() {
    device.poll(8);
    if (!receive.poll()) {
      return null;
    }
    int number = buffers[receive.usedId()];
    byte[] bytes =
        ram.asSlice(RX_BUFFERS + (long) RX_BYTES * number, receive.usedLength())
            .toArray(ValueLayout.JAVA_BYTE);
    offer(number);
    return new Received(
        Arrays.copyOf(bytes, headerBytes), Arrays.copyOfRange(bytes, headerBytes, bytes.length));
  }

  @Override
  public void close() {
    memory.close();
  }
}
