package dev.virtiolab.lab.serve;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig.Slot;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.vfiouser.ClientInterrupts;
import dev.virtiolab.pci.vfiouser.ClientMemory;
import dev.virtiolab.pci.vfiouser.VfioUserCounters;
import dev.virtiolab.pci.vfiouser.VfioUserServer;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.UnixListener;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.net.DeviceLoop;
import dev.virtiolab.virtio.net.NetCounters;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** The NIC as a PCI function that a hypervisor has, by vfio-user. */
public final class VfioUserService implements Service {
  private static final long LOOK_MILLIS = 100;

  private final Wires wires;
  private final VirtioNet nic;
  private final ClientMemory memory;
  private final VirtioPciFunction function;
  private final DeviceLoop loop;
  private final VfioUserServer server;

  /**
   * Whether the function is there as it would be on a root bus, or behind a root port.
   *
   * <p>VIRTIO_F_ACCESS_PLATFORM is offered by a modern device always and required never: what the
   * client maps are the addresses that a driver with the feature uses, and without an IOMMU those
   * of any driver. With a legacy interface it cannot be offered.
   */
  private VfioUserService(ServeConfig config, Slot slot, Wires wires, UnixListener listener) {
    this.wires = wires;
    OptionalInt mtu = config.mtu().isPresent() ? config.mtu() : wires.mtu();
    boolean accessPlatform = !config.kind().isLegacy();
    nic =
        new VirtioNet(
            new VirtioNet.Config(config.macBytes(), mtu, accessPlatform, false)
                .withFeatures(config.features()),
            wires.all());
    memory = new ClientMemory(config.allowUnsealed());
    ClientInterrupts interrupts = new ClientInterrupts();
    function =
        VirtioPciFunction.of(
            config.kind(), slot == Slot.ROOT_PORT, nic, memory, memory, interrupts, interrupts);
    loop = DeviceLoop.start(nic, "virtio-net");
    server = VfioUserServer.start(listener, function, memory, interrupts);
  }

  /**
   * Serves from now on.
   *
   * @param slot where the client will plug it in
   * @param wires one for each pair of the NIC's queues; they stay the caller's to close, after the
   *     service
   * @throws LabException if nobody can listen at the socket
   */
  public static VfioUserService open(ServeConfig config, Slot slot, List<NetBackend> wires) {
    return new VfioUserService(config, slot, new Wires(wires), listen(config.socket()));
  }

  private static UnixListener listen(String socket) {
    try {
      return UnixListener.listen(socket);
    } catch (PosixException | IllegalArgumentException e) {
      throw LabException.usage("--vfio-user " + socket + ": " + e.getMessage(), e);
    }
  }

  @Override
  public void runUntilInterrupted() {
    try {
      while (loop.running() && server.running()) {
        Thread.sleep(LOOK_MILLIS);
      }
    } catch (InterruptedException e) {
      return; // Ctrl-C is how this ends.
    }
    throw new IllegalStateException(
        server.running() ? "the device's loop died" : "the vfio-user server died");
  }

  /** The function, for whoever looks at it. */
  public VirtioPciFunction function() {
    return function;
  }

  /** What the server has seen. */
  public VfioUserServer server() {
    return server;
  }

  /** The client's memory, as the function sees it. */
  public ClientMemory memory() {
    return memory;
  }

  @Override
  public Clients clients() {
    VfioUserCounters seen = server.counters();
    return new Clients(seen::clients, seen::turnedAway, seen::messages, seen::refused);
  }

  @Override
  public VirtioNet nic() {
    return nic;
  }

  @Override
  public List<String> report() {
    NetCounters frames = nic.counters();
    VfioUserCounters seen = server.counters();
    List<String> lines = new ArrayList<>();
    lines.add(
        "clients: %d, and %d turned away; messages: %d, of them refused: %d"
            .formatted(seen.clients(), seen.turnedAway(), seen.messages(), seen.refused()));
    lines.add(
        "frames: %d to the guest (%d bytes), %d from it (%d bytes), %d dropped"
            .formatted(
                frames.framesReceived(),
                frames.bytesReceived(),
                frames.framesSent(),
                frames.bytesSent(),
                frames.drops() + wires.lost()));
    lines.addAll(wires.describePairs());
    lines.add(
        "kicks: %d for receiving, %d for sending; interrupts: %d; DMA faults: %d"
            .formatted(
                kicks(frames, VirtioNet.RECEIVE_QUEUE),
                kicks(frames, VirtioNet.TRANSMIT_QUEUE),
                frames.queueInterrupts() + frames.configInterrupts(),
                function.deviceMemory().faults()));
    if (seen.dmaReads() > 0 || seen.dmaWrites() > 0) {
      lines.add(
          "DMA by messages: %d reads, %d writes, %d of them not answered as asked"
              .formatted(seen.dmaReads(), seen.dmaWrites(), seen.dmaRefused()));
    }
    if (server.occupied()) {
      lines.add("features: " + String.join(" ", FeatureBits.names(function.negotiatedFeatures())));
    }
    return lines;
  }

  /** Of the queues of one kind: {@code first} is the first pair's. */
  private long kicks(NetCounters frames, int first) {
    return IntStream.range(0, wires.all().size()).mapToLong(i -> frames.kicks(first + 2 * i)).sum();
  }

  @Override
  public void close() {
    try {
      server.close();
    } finally {
      loop.close();
    }
  }
}
