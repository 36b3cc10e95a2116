package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.host.NetworkNamespace;
import dev.virtiolab.lab.metrics.MachineMetrics;
import dev.virtiolab.lab.metrics.Metrics;
import dev.virtiolab.lab.metrics.MetricsServer;
import dev.virtiolab.lab.segment.WireFaults;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.TcpListener;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Optional;

/**
 * Where {@code --metrics} listens. The socket is made before the process enters a network namespace
 * of its own, and goes along: it is reached from where the user is.
 */
final class MetricsDoor implements AutoCloseable {
  private static final String PROPERTY = "vlab.metrics";
  private static final String LOOPBACK = "127.0.0.1";
  private static final int MAX_PORT = 65_535;

  /** Null where nobody asked. */
  private final TcpListener listener;

  private final String host;
  private MetricsServer server;

  private MetricsDoor(TcpListener listener, String host) {
    this.listener = listener;
    this.host = host;
  }

  /**
   * Listens, or goes on doing so.
   *
   * @param text {@code [HOST:]PORT}; null where nobody asked
   * @throws LabException if it cannot be read, or not be listened at
   */
  static MetricsDoor open(String text) {
    if (text == null) {
      return new MetricsDoor(null, "");
    }
    int colon = text.lastIndexOf(':');
    String host = colon < 0 ? LOOPBACK : text.substring(0, colon);
    InetSocketAddress address = address(text, host, text.substring(colon + 1));
    Integer handedOn = NetworkNamespace.entered() ? Integer.getInteger(PROPERTY) : null;
    try {
      return new MetricsDoor(
          handedOn == null ? TcpListener.listen(address) : TcpListener.adopt(handedOn), host);
    } catch (PosixException e) {
      throw LabException.usage("--metrics " + text + ": " + e.getMessage(), e);
    }
  }

  private static InetSocketAddress address(String text, String host, String port) {
    String refusal = "--metrics takes [HOST:]PORT with a port from 0 to " + MAX_PORT + ", not ";
    int number;
    try {
      number = Integer.parseInt(port);
    } catch (NumberFormatException e) {
      throw LabException.usage(refusal + text, e);
    }
    boolean bare = host.contains(":") && !host.startsWith("[");
    if (number < 0 || number > MAX_PORT || host.isEmpty() || bare) {
      throw LabException.usage(refusal + text);
    }
    try {
      return new InetSocketAddress(InetAddress.getByName(host), number);
    } catch (UnknownHostException e) {
      throw LabException.usage("--metrics " + text + ": no address is known for " + host, e);
    }
  }

  /** Enters a network namespace of the process's own, and takes the socket along. */
  void enterNamespace() {
    NetworkNamespace.enter(
        listener == null
            ? List.of()
            : List.of(new NetworkNamespace.HandedOn(PROPERTY, listener.fd())));
  }

  /**
   * Shows a running machine from now on, if the user asked, and says where. For one whose device is
   * another program's nobody can ask.
   */
  void show(GuestMachine machine, Optional<WireFaults> faults, PrintWriter err) {
    if (machine instanceof Machine own) {
      show(MachineMetrics.of(own, faults.map(WireFaults::backend)), err);
    }
  }

  /** Likewise whatever has metrics. */
  void show(Metrics metrics, PrintWriter err) {
    if (listener == null) {
      return;
    }
    server = MetricsServer.start(listener, metrics);
    err.println("vlab: metrics at http://" + host + ":" + listener.port() + "/metrics");
    err.flush();
  }

  /** Before what is shown is closed; a second call does nothing. */
  @Override
  public void close() {
    if (server != null) {
      server.close();
    } else if (listener != null) {
      listener.close();
    }
  }
}
