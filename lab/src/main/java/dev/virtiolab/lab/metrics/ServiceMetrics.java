package dev.virtiolab.lab.metrics;

import dev.virtiolab.lab.serve.Service;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.fault.FaultyBackend;
import java.util.List;
import java.util.Optional;

/** What a NIC has to say that is served to others: all names that a scrape shows. */
public final class ServiceMetrics {
  private static final String OUTCOME = "outcome";

  /** Receive and transmit of the first pair: the number of any other depends on the driver. */
  private static final int QUEUES = 2;

  private ServiceMetrics() {}

  /** Of a service, its wires, and the faults on them if there are any. */
  public static Metrics of(
      Service service, List<NetBackend> wires, Optional<FaultyBackend> faults) {
    Metrics metrics = new Metrics();
    Service.Clients clients = service.clients();
    metrics
        .counter("virtiolab_serve_clients_total", "Hypervisors and drivers that came.")
        .sample(clients.served(), OUTCOME, "served")
        .sample(clients.turnedAway(), OUTCOME, "turned_away");
    metrics
        .counter("virtiolab_serve_messages_total", "Messages of clients.")
        .sample(clients.messages());
    metrics
        .counter("virtiolab_serve_refused_messages_total", "Messages that were not granted.")
        .sample(clients.refused());
    MachineMetrics.nic(metrics, service.nic());
    MachineMetrics.queues(metrics, service.nic(), QUEUES);
    MachineMetrics.wire(
        metrics,
        wires.stream().map(NetBackend::counters).toList(),
        () -> wires.getFirst().linkUp());
    faults.ifPresent(backend -> MachineMetrics.faults(metrics, backend.faults()));
    return metrics;
  }
}
