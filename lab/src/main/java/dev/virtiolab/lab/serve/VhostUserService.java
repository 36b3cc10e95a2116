package dev.virtiolab.lab.serve;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.virtio.net.DeviceLoop;
import dev.virtiolab.virtio.net.NetCounters;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.vhostuser.VhostUserCounters;
import dev.virtiolab.virtio.vhostuser.VhostUserOptions;
import dev.virtiolab.virtio.vhostuser.VhostUserServer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.BooleanSupplier;

/** The NIC's queues, handed over by vhost-user: a device, its loop and a server. */
public final class VhostUserService implements Service {
  private static final long LOOK_MILLIS = 100;

  private final Wires wires;
  private final VirtioNet nic;
  private final VhostUserServer server;
  private final DeviceLoop loop;

  private VhostUserService(Wires wires, VirtioNet nic, VhostUserServer server, DeviceLoop loop) {
    this.wires = wires;
    this.nic = nic;
    this.server = server;
    this.loop = loop;
  }

  /**
   * Begins to serve.
   *
   * @param plugs what the NIC is plugged into, one for each pair of its queues; they stay the
   *     caller's to close, afterwards
   * @param client whether to connect to the socket instead of listening there
   * @throws LabException if nobody can listen there
   */
  public static VhostUserService open(ServeConfig config, List<NetBackend> plugs, boolean client) {
    Wires wires = new Wires(plugs);
    // ACCESS_PLATFORM is offered, and up to the front-end: a guest behind an IOMMU needs it.
    OptionalInt mtu = config.mtu().isPresent() ? config.mtu() : wires.mtu();
    VirtioNet nic =
        new VirtioNet(
            new VirtioNet.Config(config.macBytes(), mtu, true, false)
                .withFeatures(config.features()),
            plugs);
    VhostUserOptions options = new VhostUserOptions(plugs.size(), config.allowUnsealed());
    VhostUserServer server = openServer(config, nic, options, client);
    DeviceLoop loop = DeviceLoop.start(nic, "virtio-net");
    server.start();
    return new VhostUserService(wires, nic, server, loop);
  }

  private static VhostUserServer openServer(
      ServeConfig config, VirtioNet nic, VhostUserOptions options, boolean client) {
    try {
      return client
          ? VhostUserServer.connect(nic, options, config.socket())
          : VhostUserServer.listen(nic, options, config.socket());
    } catch (IllegalArgumentException | PosixException e) {
      throw LabException.usage("--vhost-user: " + e.getMessage(), e);
    }
  }

  @Override
  public void runUntilInterrupted() {
    runUntil(() -> false);
  }

  /**
   * Likewise, or for something that is looked at now and then.
   *
   * @throws IllegalStateException if a thread of the service breaks first
   */
  public void runUntil(BooleanSupplier over) {
    try {
      while (!over.getAsBoolean()) {
        if (!loop.running() || !server.running()) {
          throw new IllegalStateException("a thread of the device died");
        }
        Thread.sleep(LOOK_MILLIS);
      }
    } catch (InterruptedException e) {
      // Ctrl-C is how this ends.
    }
  }

  @Override
  public Clients clients() {
    VhostUserCounters seen = server.counters();
    return new Clients(seen::frontEnds, seen::turnedAway, seen::requests, seen::refused);
  }

  @Override
  public VirtioNet nic() {
    return nic;
  }

  @Override
  public List<String> report() {
    NetCounters frames = nic.counters();
    List<String> lines = new ArrayList<>();
    lines.add(
        "front-ends  %d came, %d were turned away; %d requests, %d of them refused"
            .formatted(
                server.counters().frontEnds(),
                server.counters().turnedAway(),
                server.counters().requests(),
                server.counters().refused()));
    lines.add(
        "frames      %d to the driver, %d from it; %d dropped"
            .formatted(
                frames.framesReceived(), frames.framesSent(), frames.drops() + wires.lost()));
    lines.addAll(wires.describePairs());
    return lines;
  }

  @Override
  public void close() {
    // A front-end could keep the loop from ending; and the loop sleeps on what the server closes.
    server.stop();
    try {
      loop.close();
    } finally {
      server.close();
    }
  }
}
