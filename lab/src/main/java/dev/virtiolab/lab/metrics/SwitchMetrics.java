package dev.virtiolab.lab.metrics;

import dev.virtiolab.lab.segment.WireFaults;
import dev.virtiolab.lab.segment.WireSwitch;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.bridge.PortCounters;

/** What a switch has to say: all names that a scrape shows. */
public final class SwitchMetrics {
  private static final String PORT = "port";
  private static final String DIRECTION = "direction";
  private static final String IN = "in";
  private static final String OUT = "out";

  private SwitchMetrics() {}

  /** Of a running switch, and of the faults at its first port if there are any. */
  public static Metrics of(WireSwitch its) {
    Metrics metrics = new Metrics();
    Metrics.Family info =
        metrics.gauge("virtiolab_switch_info", "Always 1; what is at each port, in its labels.");
    Metrics.Family up =
        metrics.gauge("virtiolab_switch_up", "Whether the wire at a port is connected: 1, or 0.");
    Metrics.Family handled =
        metrics.counter(
            "virtiolab_switch_handled_total", "Frames that came in at a port, by what was done.");
    Metrics.Family drops =
        metrics.counter("virtiolab_switch_drops_total", "Copies that did not go out at a port.");
    Metrics.Family stations =
        metrics.counter("virtiolab_switch_stations_total", "Stations heard at a port.");
    Metrics.Family frames =
        metrics.counter("virtiolab_switch_frames_total", "Frames that crossed the back end.");
    Metrics.Family bytes =
        metrics.counter("virtiolab_switch_bytes_total", "Bytes of the frames that crossed it.");
    for (WireSwitch.Port port : its.ports()) {
      String number = Integer.toString(port.number());
      PortCounters counters = its.counters(port);
      BackendCounters wire = its.wire(port);
      info.sample(() -> 1, PORT, number, "wire", port.wire());
      up.sample(() -> its.wireUp(port) ? 1 : 0, PORT, number);
      handled
          .sample(counters::relayed, PORT, number, "how", "relayed")
          .sample(counters::flooded, PORT, number, "how", "flooded")
          .sample(counters::filtered, PORT, number, "how", "filtered");
      drops
          .sample(counters::noRoom, PORT, number, "reason", "no_room")
          .sample(counters::tooLong, PORT, number, "reason", "too_long")
          .sample(wire::droppedOut, PORT, number, "reason", "wire");
      stations
          .sample(counters::learned, PORT, number, "how", "learned")
          .sample(counters::moved, PORT, number, "how", "moved")
          .sample(counters::replaced, PORT, number, "how", "replaced");
      frames
          .sample(wire::framesIn, PORT, number, DIRECTION, IN)
          .sample(wire::framesOut, PORT, number, DIRECTION, OUT);
      bytes
          .sample(wire::bytesIn, PORT, number, DIRECTION, IN)
          .sample(wire::bytesOut, PORT, number, DIRECTION, OUT);
    }
    its.wireFaults()
        .map(WireFaults::backend)
        .ifPresent(backend -> MachineMetrics.faults(metrics, backend.faults()));
    return metrics;
  }
}
