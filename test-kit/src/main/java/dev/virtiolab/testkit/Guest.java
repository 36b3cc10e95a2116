package dev.virtiolab.testkit;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounters;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.socket.GuestTcp;
import dev.virtiolab.lab.socket.GuestUdp;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.RingCapture;
import dev.virtiolab.net.fault.FaultyBackend;
import dev.virtiolab.virtio.net.VirtioNet;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/**
 * A running guest with an emulated NIC: its firmware, its driver, the device, and the wire. Made by
 * a {@link Lab}; any thread may call.
 *
 * <pre>
 *   firmware's stack - VirtioNetDxe - rings - device - capture - faults - wiring
 * </pre>
 */
public final class Guest {
  /** Beyond its own deadline, what a guest on a busy machine may take for a series of pings. */
  private static final Duration GRACE = Duration.ofSeconds(60);

  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  private final GuestSpec spec;
  private final long seed;
  private final RingCapture capture;
  private final Wire wire;
  private final Machine machine;
  private final StackCounters stack;

  private Guest(GuestSpec spec, long seed, RingCapture capture, Wire wire, Machine machine) {
    this.spec = spec;
    this.seed = seed;
    this.capture = capture;
    this.wire = wire;
    this.machine = machine;
    stack = machine.guest().ask(firmware -> firmware.stack().counters());
  }

  /**
   * Boots a guest.
   *
   * @param end of its wire, closed with the guest, and where this throws
   * @param seed what faults and keys follow from
   */
  static Guest boot(GuestSpec spec, NetBackend end, long seed) {
    FaultyBackend faults = FaultyBackend.open(end, seed);
    Wire wire = Wire.on(faults);
    RingCapture capture = new RingCapture(faults, spec.captureBytes());
    try {
      Machine machine = Machine.start(spec.toMachine(seed), capture, spec.address().orElseThrow());
      return new Guest(spec, seed, capture, wire, machine);
    } catch (RuntimeException e) {
      capture.close();
      throw e;
    }
  }

  /** As it was asked for, with the address that it has. */
  public GuestSpec spec() {
    return spec;
  }

  public String name() {
    return spec.name();
  }

  /** What the guest answers to. */
  public Ipv4Address address() {
    return spec.address().orElseThrow();
  }

  /** The NIC's Ethernet address. */
  public MacAddress mac() {
    return spec.effectiveMac();
  }

  // ---- what it does

  /**
   * Pings another host three times, and waits for the end of that.
   *
   * @param target such as {@code 192.0.2.2}, in the guest's own network
   */
  public PingReport ping(String target) {
    return ping(target, plan -> plan);
  }

  /** Pings another guest three times. */
  public PingReport ping(Guest target) {
    return ping(PingPlan.to(target.address()));
  }

  /** Pings another host as often, as fast and as large as the plan says, and waits for the end. */
  public PingReport ping(String target, UnaryOperator<PingPlan> plan) {
    return ping(plan.apply(PingPlan.to(Ipv4Address.parse(target))));
  }

  /** Likewise another guest. */
  public PingReport ping(Guest target, UnaryOperator<PingPlan> plan) {
    return ping(plan.apply(PingPlan.to(target.address())));
  }

  /** Likewise. */
  public PingReport ping(PingPlan plan) {
    return await(startPing(plan), plan.deadline().plus(plan.patience()).plus(GRACE), "the pings");
  }

  /**
   * Pings another host, one request after the other, until one is answered: for a host, or a way to
   * it, that is still coming up.
   *
   * @throws AssertionError if none is before the deadline
   */
  public void awaitReachable(String target, Duration within) {
    await(
        target + " answers",
        within,
        guest -> guest.ping(target, plan -> plan.count(1)).isComplete());
  }

  /** Likewise another guest. */
  public void awaitReachable(Guest target, Duration within) {
    awaitReachable(target.address().toString(), within);
  }

  /**
   * Begins a series, and does not wait: to do something else meanwhile. Up to 16 series can run at
   * a time.
   *
   * @return complete with the series; cancelling it ends it
   */
  public CompletableFuture<PingReport> startPing(PingPlan plan) {
    PingJob job = new PingJob(plan);
    CompletableFuture<Void> end = machine.guest().run(job);
    CompletableFuture<PingReport> report = end.thenApply(nothing -> job.report());
    report.whenComplete(
        (made, failure) -> {
          if (failure instanceof CancellationException) {
            end.cancel(false);
            machine
                .guest()
                .begin(
                    firmware -> {
                      job.close();
                      return null;
                    });
          }
        });
    return report;
  }

  /** Its TCP: connections and listeners, with streams as those of {@code java.net}. */
  public GuestTcp tcp() {
    return machine.tcp();
  }

  /** Its UDP. */
  public GuestUdp udp() {
    return machine.udp();
  }

  /**
   * Sends so many bytes over TCP to another guest, and waits until they are there: whether they are
   * all, and the same, {@link Transfer#isIntact} says.
   *
   * @throws AssertionError if that takes longer, or the connection breaks
   */
  public Transfer transfer(Guest to, long bytes, Duration within) {
    return Transfer.run(this, to, bytes, within);
  }

  /**
   * Runs {@code question} on the guest's own thread, between two of its turns: the way to its stack
   * and its protocols. It must not wait.
   *
   * @throws IllegalStateException if the guest has ended
   */
  public <T> T ask(Function<Firmware, T> question) {
    return await(machine.guest().begin(question), GRACE, "the guest");
  }

  // ---- what befalls it

  /** Its wire: the faults on it, and what they did. */
  public Wire wire() {
    return wire;
  }

  /**
   * Has the guest's driver reset its device in mid-traffic and go on (UEFI 2.10, 24.1
   * "EFI_SIMPLE_NETWORK.Reset()"): what was in the rings is lost. It is also what mends a guest
   * whose device broke.
   *
   * @throws AssertionError if the device does not come back
   */
  public void resetNic() {
    EfiStatus status = ask(firmware -> firmware.stack().reset());
    if (status.isError()) {
      throw new AssertionError(name() + ": SNP Reset: " + status);
    }
  }

  /**
   * Has the device meet an error of its own: it sets DEVICE_NEEDS_RESET and touches no queue any
   * more (virtio v1.4, 2.1.2). The driver finds out when it looks at the status, gives the device
   * up and answers every call with DEVICE_ERROR, as {@link #isBroken} then says; nothing in the
   * firmware resets it by itself, as nothing does in edk2. {@link #resetNic} does.
   */
  public void breakNic() {
    device().fail("the test " + Thread.currentThread().getName() + " asked for it");
  }

  /** Whether the driver has given its device up. */
  public boolean isBroken() {
    return ask(firmware -> firmware.network().getStatus(null, null) == EfiStatus.DEVICE_ERROR);
  }

  /**
   * Waits until the driver has given its device up.
   *
   * @throws AssertionError if it has not before the deadline
   */
  public void awaitBroken(Duration within) {
    await("the driver gives its device up", within, Guest::isBroken);
  }

  // ---- what was counted

  /** Everything that is counted, as it is now. */
  public Counters counters() {
    return Counters.of(
        device(),
        machine.dma(),
        machine.wire(),
        wire.counters(),
        machine.guest().ask(Firmware::networkCounters),
        stack);
  }

  /**
   * Waits until {@code condition} holds of the guest, looking every millisecond.
   *
   * @param what is waited for, in words
   * @throws AssertionError if it does not before the deadline
   */
  public void await(String what, Duration within, Predicate<Guest> condition) {
    long deadline = System.nanoTime() + within.toNanos();
    while (!condition.test(this)) {
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError(name() + ": not within " + within + ": " + what);
      }
      if (Thread.interrupted()) {
        throw Interrupts.asAssertion(what, new InterruptedException());
      }
      LockSupport.parkNanos(this, LOOK_NANOS);
    }
  }

  /** Likewise of its counters. */
  public void awaitCounters(String what, Duration within, Predicate<Counters> condition) {
    await(what, within, guest -> condition.test(guest.counters()));
  }

  /** The machine, for what is not said here. */
  public Machine machine() {
    return machine;
  }

  /**
   * Writes the frames that crossed last to a pcapng file.
   *
   * @param comment of the file
   * @throws IOException where it cannot be written
   */
  public void saveCapture(Path file, String comment) throws IOException {
    capture.save(file, name(), comment);
  }

  /** Frames that a saved capture would have now. */
  public long capturedFrames() {
    return capture.kept();
  }

  /** Frames that crossed so far. */
  long crossedFrames() {
    return capture.captured();
  }

  long seed() {
    return seed;
  }

  private VirtioNet device() {
    return machine.board().nic();
  }

  private <T> T await(CompletableFuture<T> answer, Duration within, String what) {
    try {
      return answer.get(within.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      answer.cancel(false);
      throw Interrupts.asAssertion(what + " of " + name(), e);
    } catch (TimeoutException e) {
      answer.cancel(false);
      throw new AssertionError(name() + ": no end of " + what + " in " + within, e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException known) {
        throw known;
      }
      throw new IllegalStateException(name() + ": " + e.getCause(), e.getCause());
    }
  }

  /** Switches it off, and closes its wire. */
  void close() {
    try {
      machine.close();
    } finally {
      capture.close();
    }
  }

  @Override
  public String toString() {
    return "%s %s (%s, %s)".formatted(name(), address(), mac(), spec.platform().label());
  }
}
