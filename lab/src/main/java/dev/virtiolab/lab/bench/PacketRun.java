package dev.virtiolab.lab.bench;

import com.sun.management.ThreadMXBean;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.lab.HostClock;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.SinkBackend;
import dev.virtiolab.net.SourceBackend;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.virtio.net.DeviceLoop;
import dev.virtiolab.virtio.net.VirtioNet;
import java.lang.management.ManagementFactory;
import java.util.function.UnaryOperator;

/**
 * One machine and a client of its Simple Network Protocol that does nothing but Transmit, GetStatus
 * and Receive, as fast as they go. On the other side of the device is a wire that copies each frame
 * out ({@link SinkBackend}), or always has another ({@link SourceBackend}).
 *
 * <p>Every frame is looked at on the far side: towards the wire by a {@link CheckedWire}, from the
 * wire by its number. A run in which one was lost, doubled, reordered or garbled has no result.
 *
 * <p>The thread that makes a run is the guest's CPU and makes all calls. With one thread it steps
 * the device as well, after each {@link #BATCH} frames; with two the device has its {@link
 * DeviceLoop}.
 */
public final class PacketRun implements AutoCloseable {
  /** Frames that the client hands out between two looks at what has become of them. */
  public static final int BATCH = 64;

  /** The shortest frame that can be measured, in bytes. */
  public static final int MIN_FRAME = SourceBackend.MIN_FRAME;

  /** The longest, in bytes: what the Simple Network Protocol takes. */
  public static final int MAX_FRAME = 1514;

  /**
   * What was measured.
   *
   * @param sent frames that crossed the device towards the wire and whose buffers came back
   * @param received frames that came from the wire and were copied to the client
   * @param nanos how long it took
   * @param driverBytes what the driver's thread allocated on the Java heap; with one thread the
   *     device's share is in it
   * @param deviceBytes what the device's own thread allocated; 0 with one thread
   */
  public record Result(long sent, long received, long nanos, long driverBytes, long deviceBytes) {
    /** Both ways together. */
    public long frames() {
      return sent + received;
    }

    public double framesPerSecond() {
      return frames() * 1e9 / nanos;
    }

    /** On both threads together. */
    public long bytesAllocated() {
      return driverBytes + deviceBytes;
    }

    public double bytesAllocatedPerFrame() {
      return (double) bytesAllocated() / frames();
    }
  }

  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final byte[] PEER_MAC = {0x02, 0, 0, 0, 0, 0x01};

  private static final int BUFFER_STRIDE = 2048;
  private static final long PAGE_BYTES = 4096;

  /** How long to wait for a first frame, and for the last transmit buffers to come back. */
  private static final long PATIENCE_NANOS = 1_000_000_000L;

  /** Batches between two looks at the clock. */
  private static final int BATCHES = 64;

  private final Direction direction;
  private final int frameBytes;
  private final CheckedWire wire;
  private final Mainboard board;
  private final VirtioNet nic;
  private final DeviceLoop deviceLoop;
  private final SimpleNetwork snp;
  private final CpuMemory memory;
  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** Transmit buffers that are ours, a stack. */
  private final long[] ours = new long[BATCH];

  private int ourCount;
  private final long transmitBuffers;

  /** What each transmit buffer's frame adds to the digest of all. */
  private final long[] marks = new long[BATCH];

  private final long receiveBuffer;
  private final LongRef returned = new LongRef();
  private final LongRef receivedBytes = new LongRef();
  private long accepted;
  private long digest;
  private long sent;
  private long received;

  /** A one in it is a bit that differed in some received frame's number or length. */
  private long differences;

  /**
   * Boots a machine.
   *
   * @param threads 1, or 2 with the device on its own
   * @param frameBytes from {@link #MIN_FRAME} to {@link #MAX_FRAME}
   */
  public PacketRun(MachineConfig config, Direction direction, int threads, int frameBytes) {
    this(config, direction, threads, frameBytes, UnaryOperator.identity());
  }

  /**
   * @param between what to put between the device and the end of the wire, for tests
   */
  PacketRun(
      MachineConfig config,
      Direction direction,
      int threads,
      int frameBytes,
      UnaryOperator<NetBackend> between) {
    if (threads < 1 || threads > 2) {
      throw new IllegalArgumentException("threads=" + threads + ", 1 or 2");
    }
    if (frameBytes < MIN_FRAME || frameBytes > MAX_FRAME) {
      throw new IllegalArgumentException(
          "frameBytes=" + frameBytes + ", from " + MIN_FRAME + " to " + MAX_FRAME);
    }
    this.direction = direction;
    this.frameBytes = frameBytes;
    byte[] mac = octets(config.mac());
    wire =
        new CheckedWire(
            direction == Direction.TX
                ? new SinkBackend()
                : new SourceBackend(mac, PEER_MAC, frameBytes));
    board = new Mainboard(config, between.apply(wire));
    nic = board.nic();
    deviceLoop = threads == 2 ? DeviceLoop.start(nic, "virtio-net") : null;
    Firmware firmware = new Firmware(board.toBoard(new HostClock()), GUEST, config.bounceSlots());
    snp = firmware.network();
    memory = board.platform().cpuMemory();
    LongRef pages = new LongRef();
    check(
        firmware
            .bootServices()
            .allocatePages(
                AllocateType.ANY_PAGES,
                MemoryType.BOOT_SERVICES_DATA,
                (BATCH + 1) * BUFFER_STRIDE / PAGE_BYTES + 1,
                pages));
    transmitBuffers = pages.value;
    for (int i = 0; i < BATCH; i++) {
      long buffer = pages.value + (long) i * BUFFER_STRIDE;
      marks[i] = fill(buffer, mac, i);
      ours[ourCount++] = buffer;
    }
    receiveBuffer = pages.value + (long) BATCH * BUFFER_STRIDE;
  }

  private static byte[] octets(MacAddress mac) {
    byte[] octets = new byte[6];
    for (int i = 0; i < octets.length; i++) {
      octets[i] = mac.octet(i);
    }
    return octets;
  }

  /** Writes a frame that differs from all others, and says what it adds to the digest. */
  private long fill(long buffer, byte[] mac, int number) {
    memory.fill(buffer, frameBytes, (byte) number);
    for (int i = 0; i < mac.length; i++) {
      memory.putByte(buffer + i, PEER_MAC[i]);
      memory.putByte(buffer + mac.length + i, mac[i]);
    }
    memory.putShort(buffer + 12, Short.reverseBytes((short) 0x88b5));
    memory.putLong(buffer + SourceBackend.NUMBER_OFFSET, number);
    long last = memory.getLong(buffer + frameBytes - Long.BYTES);
    return CheckedWire.mark(number, last, frameBytes);
  }

  /**
   * Pumps frames for about {@code nanos} nanoseconds. Call it until the figures settle: the first
   * times the JVM still compiles.
   *
   * @throws BrokenRunException if a frame was lost, doubled, reordered or garbled, or a call failed
   */
  public Result run(long nanos) {
    long driver = Thread.currentThread().threadId();
    long device = deviceLoop == null ? driver : deviceLoop.threadId();
    long driverBytes = threads.getThreadAllocatedBytes(driver);
    long deviceBytes = threads.getThreadAllocatedBytes(device);
    long sentBefore = sent;
    long receivedBefore = received;
    long begin = System.nanoTime();
    long took;
    do {
      for (int i = 0; i < BATCHES; i++) {
        batch();
      }
      took = System.nanoTime() - begin;
      // A device whose thread has yet to be scheduled may take longer than a short run.
    } while (took < nanos
        || isSilent(sent - sentBefore, received - receivedBefore) && took < PATIENCE_NANOS);
    driverBytes = threads.getThreadAllocatedBytes(driver) - driverBytes;
    deviceBytes = deviceLoop == null ? 0 : threads.getThreadAllocatedBytes(device) - deviceBytes;
    Result result =
        new Result(sent - sentBefore, received - receivedBefore, took, driverBytes, deviceBytes);
    checkSent();
    checkReceived();
    if (isSilent(result.sent, result.received)) {
      throw new BrokenRunException(
          "no frame crossed one way in %d ns: sent=%d received=%d"
              .formatted(took, result.sent, result.received));
    }
    return result;
  }

  /** Whether there is a direction in which nothing has crossed. */
  private boolean isSilent(long sent, long received) {
    return direction != Direction.RX && sent == 0 || direction != Direction.TX && received == 0;
  }

  private void batch() {
    if (direction != Direction.RX) {
      transmit();
    }
    if (deviceLoop == null) {
      nic.pollWithoutKicks(BATCH);
    }
    if (direction != Direction.RX) {
      reclaim();
    }
    if (direction != Direction.TX) {
      receive();
    }
  }

  private void transmit() {
    while (ourCount > 0) {
      long buffer = ours[ourCount - 1];
      check(snp.transmit(0, frameBytes, buffer, null, null, null));
      digest =
          CheckedWire.digest(digest, marks[(int) ((buffer - transmitBuffers) / BUFFER_STRIDE)]);
      accepted++;
      ourCount--;
    }
  }

  private void reclaim() {
    while (ourCount < BATCH) {
      check(snp.getStatus(null, returned));
      if (returned.value == 0) {
        break;
      }
      ours[ourCount++] = returned.value;
      sent++;
    }
  }

  private void receive() {
    for (int i = 0; i < BATCH; i++) {
      receivedBytes.value = MAX_FRAME;
      EfiStatus status = snp.receive(null, receivedBytes, receiveBuffer, null, null, null);
      if (status == EfiStatus.NOT_READY) {
        break;
      }
      check(status);
      long number = memory.getLong(receiveBuffer + SourceBackend.NUMBER_OFFSET);
      differences |= number ^ received | receivedBytes.value ^ frameBytes;
      received++;
    }
  }

  /** Waits for the buffers that are still out, and compares what came out with what went in. */
  private void checkSent() {
    long begin = System.nanoTime();
    while (ourCount < BATCH) {
      if (System.nanoTime() - begin > PATIENCE_NANOS) {
        throw new BrokenRunException(
            "the device keeps %d transmit buffers".formatted(BATCH - ourCount));
      }
      if (deviceLoop == null) {
        nic.pollWithoutKicks(BATCH);
      }
      reclaim();
    }
    if (wire.frames() != accepted) {
      throw new BrokenRunException(
          "frames were lost or doubled: sent=%d at the wire=%d".formatted(accepted, wire.frames()));
    }
    if (wire.digest() != digest) {
      throw new BrokenRunException("frames were garbled or reordered on the way to the wire");
    }
  }

  /** The wire numbers its frames, so that the next one's number and length are known. */
  private void checkReceived() {
    if (differences != 0) {
      throw new BrokenRunException(
          "frames were lost, doubled or reordered on the way from the wire: received=" + received);
    }
  }

  private static void check(EfiStatus status) {
    if (status != EfiStatus.SUCCESS) {
      throw new BrokenRunException("the Simple Network Protocol says " + status);
    }
  }

  @Override
  public void close() {
    try {
      if (deviceLoop != null) {
        deviceLoop.close();
      }
    } finally {
      board.close();
      wire.close();
    }
  }
}
