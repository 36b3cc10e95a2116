package dev.virtiolab.lab.segment;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.BackendSpecException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.net.fault.FaultSpec;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * The smallest network there is: the host's TAP, a wire, and a guest behind its NIC. The host is
 * {@value #HOST}, the guest {@value #GUEST}, of a range that is kept for documentation (RFC 5737).
 */
public final class Segment implements AutoCloseable {
  private static final String HOST = "192.0.2.1";
  private static final String GUEST = "192.0.2.2";
  private static final int PREFIX_LENGTH = 24;
  static final int ETHERNET_MTU = 1500;

  /** The largest of a TAP. */
  public static final int LARGEST_MTU = 65_521;

  /**
   * The wire.
   *
   * @param backend as on the command line
   * @param joined further ones, which a switch joins with the first and the NIC
   * @param capture where to write every frame
   * @param timeline where to write what device, drivers and platform do
   * @param faults what is to befall the frames
   */
  public record Wire(
      String backend,
      List<String> joined,
      Optional<Path> capture,
      Optional<Path> timeline,
      FaultSpec faults) {

    /**
     * What the NIC is plugged into.
     *
     * @param end of the wire, with everything that was asked for before it
     */
    public record Plug(NetBackend end, Optional<WireFaults> faults) {}

    /**
     * Puts faults and a capture before {@code wire}: the capture is of what the NIC sent and got,
     * whatever befell it on the way.
     *
     * @param seed what the faults follow from
     * @throws LabException if the capture cannot be written; {@code wire} may be closed then
     */
    public Plug dress(NetBackend wire, OptionalLong seed) {
      NetBackend end = wire;
      Optional<WireFaults> wanted = Optional.empty();
      if (!faults.isQuiet()) {
        wanted = Optional.of(WireFaults.on(end, faults, seed));
        end = wanted.get().backend();
      }
      if (capture.isPresent()) {
        try {
          end = TapLink.capture(end, capture.get());
        } catch (LabException e) {
          end.close();
          throw e;
        }
      }
      return new Plug(end, wanted);
    }

    /**
     * Begins the timeline, if there is to be one.
     *
     * @throws LabException if the file cannot be made
     */
    public Optional<Trace> openTimeline() {
      if (timeline.isEmpty()) {
        return Optional.empty();
      }
      try {
        return Optional.of(Trace.open(timeline.get()));
      } catch (IOException e) {
        throw LabException.usage("cannot write --trace " + timeline.get() + ": " + e, e);
      }
    }
  }

  /** The host's, or that of whoever is there in its stead. */
  static final Ipv4Address HOST_ADDRESS = Ipv4Address.parse(HOST);

  /** What {@code vlab} gives a guest to answer to. */
  public static final Ipv4Address GUEST_ADDRESS = Ipv4Address.parse(GUEST);

  private final TapBackend tap;
  private final NetBackend wire;
  private final GuestMachine machine;
  private final Optional<Joint> joint;
  private final Optional<Trace> timeline;
  private final Optional<WireFaults> faults;

  private Segment(
      TapBackend tap,
      Optional<Joint> joint,
      Wire.Plug plug,
      GuestMachine machine,
      Optional<Trace> timeline) {
    this.tap = tap;
    this.joint = joint;
    wire = plug.end();
    faults = plug.faults();
    this.machine = machine;
    this.timeline = timeline;
  }

  /**
   * Makes the TAP in this process's network namespace, boots the guest, and returns when it
   * answers.
   *
   * @throws LabException if the host does not allow it, or the guest does not boot
   */
  public static Segment open(MachineConfig config, Wire wire) {
    return open(config, wire, Machine::start);
  }

  /**
   * Likewise, of another make.
   *
   * @param maker makes the machine behind the wire
   */
  public static Segment open(MachineConfig config, Wire wire, GuestMachine.Maker maker) {
    BackendSpec.TapInterface spec = tapOf(wire.backend());
    TapBackend tap = TapLink.open(spec);
    NetBackend end = tap;
    Optional<Joint> joint = Optional.empty();
    Optional<Trace> timeline = Optional.empty();
    try {
      if (!wire.joined().isEmpty()) {
        joint = Optional.of(Joint.of(wire.backend(), tap, wire.joined(), config.mtu()));
        end = joint.get().plug();
      }
      int mtu = config.mtu().orElse(end.mtu().orElse(ETHERNET_MTU));
      TapLink.configure(tap.name(), HOST + "/" + PREFIX_LENGTH, mtu);
      Wire.Plug plug = wire.dress(end, config.seed());
      end = plug.end();
      timeline = wire.openTimeline();
      GuestMachine machine = maker.start(config, end, GUEST_ADDRESS, timeline);
      return new Segment(tap, joint, plug, machine, timeline);
    } catch (RuntimeException e) {
      timeline.ifPresent(Trace::close);
      end.close();
      throw e;
    }
  }

  /**
   * The TAP that {@code backend} names.
   *
   * @throws LabException if it names none
   */
  public static BackendSpec.TapInterface tapOf(String backend) {
    try {
      if (BackendSpec.parse(backend) instanceof BackendSpec.TapInterface tap) {
        return tap;
      }
    } catch (BackendSpecException e) {
      throw LabException.usage(e.getMessage(), e);
    }
    throw LabException.usage(
        "--backend " + backend + " has no host on its far side: here it takes tap or tap:NAME");
  }

  public String tapName() {
    return tap.name();
  }

  public String hostAddress() {
    return HOST;
  }

  public String guestAddress() {
    return GUEST;
  }

  /**
   * Lets the guest ping the host.
   *
   * @param flood next request as soon as a reply is there, instead of one a second
   * @param progress told of each reply, in a line like ping's
   */
  public PingResult pingFromGuest(long count, int size, boolean flood, Consumer<String> progress) {
    return new GuestPing(machine.guest(), "the guest", HOST_ADDRESS, count, size, flood, progress)
        .run();
  }

  /**
   * Lets the host ping the guest, with the system's ping.
   *
   * @param arguments further arguments, as ping understands them
   * @param screen where its output goes
   */
  public PingResult pingFromHost(List<String> arguments, OutputStream screen) {
    return new SystemPing(GUEST, arguments).run(screen, this::trouble);
  }

  private Optional<String> trouble() {
    return tap.linkUp() ? machine.trouble() : Optional.of("the wire is gone: the TAP was deleted");
  }

  /** Waits for Ctrl-C. */
  public void runUntilInterrupted() {
    machine.runUntilInterrupted();
  }

  /** What crossed so far, once the guest has taken back what the device is done with. */
  public TrafficReport report() {
    // Ctrl-C, which may come as late as this, does not cost the user the summary.
    machine.guest().ask(firmware -> firmware.stack().poll(), () -> {});
    return machine.report();
  }

  /** The machine, for whoever watches it. */
  public GuestMachine machine() {
    return machine;
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> wireFaults() {
    return faults;
  }

  /** What befell the frames so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return faults.map(WireFaults::report);
  }

  /** What crossed each port of the switch, a line for each; none where there is no switch. */
  public List<String> describePorts() {
    return joint.map(Joint::describePorts).orElse(List.of());
  }

  /** Stops guest and device, and takes the TAP down. */
  @Override
  public void close() {
    try {
      machine.close();
    } finally {
      timeline.ifPresent(Trace::close);
      wire.close();
    }
  }
}
