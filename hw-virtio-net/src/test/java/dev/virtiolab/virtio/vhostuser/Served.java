package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.virtio.fixture.FrontEnd;
import dev.virtiolab.virtio.net.DeviceLoop;
import dev.virtiolab.virtio.net.VirtioNet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** A device that is served at a socket, on threads of its own, and a wire that a test holds. */
final class Served implements AutoCloseable {
  static final byte[] MAC = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
  private static final long DEADLINE_NANOS = Duration.ofSeconds(30).toNanos();

  final ScriptedBackend wire;

  /** One for each pair of queues; {@link #wire} is the first. */
  final List<ScriptedBackend> wires;

  final VirtioNet device;
  final VhostUserServer server;
  final String path;
  private final DeviceLoop loop;

  Served(Path folder) {
    this(folder, false);
  }

  Served(Path folder, boolean allowUnsealed) {
    this(folder, allowUnsealed, List.of(new ScriptedBackend()));
  }

  /** A device with several pairs of queues. */
  static Served ofPairs(Path folder, int pairs) {
    return new Served(folder, false, ScriptedBackend.queues(pairs));
  }

  private Served(Path folder, boolean allowUnsealed, List<ScriptedBackend> wires) {
    this.wires = wires;
    wire = wires.getFirst();
    path = folder.resolve("vhost").toString();
    device = new VirtioNet(new VirtioNet.Config(MAC, OptionalInt.empty(), true, false), wires);
    server =
        VhostUserServer.listen(device, new VhostUserOptions(wires.size(), allowUnsealed), path);
    loop = DeviceLoop.start(device, "nic");
    server.start();
  }

  FrontEnd connect() {
    return FrontEnd.connect(path);
  }

  DeviceLoop loop() {
    return loop;
  }

  static void until(String what, BooleanSupplier condition) {
    long since = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - since > DEADLINE_NANOS) {
        throw new AssertionError("never: " + what);
      }
      LockSupport.parkNanos(50_000);
    }
  }

  /** Descriptors that this process has open. */
  static long openDescriptors() {
    return list("/proc/self/fd");
  }

  /** Maps that this process has of memory files. */
  static long foreignMaps() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
      return lines.filter(line -> line.contains("/memfd:front-end")).count();
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static long list(String folder) {
    try (Stream<Path> entries = Files.list(Path.of(folder))) {
      return entries.count();
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Whether a frame gets through each way for a front-end that starts afresh. */
  boolean works() {
    try (FrontEnd next = connect()) {
      next.start(FrontEnd.F_VERSION_1);
      return passes(next, 1);
    }
  }

  /** Whether a frame gets through each way. */
  boolean passes(FrontEnd peer, int seed) {
    int before = wire.sentCount();
    byte[] out = frame(60, seed);
    peer.offerTransmit(0, out);
    until("sent", () -> wire.sentCount() == before + 1);
    until("used", peer.rings[FrontEnd.TX]::poll);
    byte[] in = frame(98, seed + 1);
    peer.offerReceive(0, 1);
    wire.deliver(in);
    until("received", peer.rings[FrontEnd.RX]::poll);
    return java.util.Arrays.equals(out, wire.sent().getLast())
        && peer.receivedEquals(0, peer.rings[FrontEnd.RX].usedLength(), in);
  }

  static byte[] frame(int length, int seed) {
    byte[] frame = new byte[length];
    for (int i = 0; i < length; i++) {
      frame[i] = (byte) (i * 31 + seed * 17);
    }
    return frame;
  }

  @Override
  public void close() {
    server.stop();
    loop.close();
    server.close();
    wires.forEach(ScriptedBackend::close);
  }
}
