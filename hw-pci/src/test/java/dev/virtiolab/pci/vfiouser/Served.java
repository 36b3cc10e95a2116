package dev.virtiolab.pci.vfiouser;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.fixture.SampleFunction;
import dev.virtiolab.pci.fixture.VfioUserClient;
import dev.virtiolab.pci.function.BusMaster;
import dev.virtiolab.posix.UnixListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** A sample function that is being served. */
final class Served implements AutoCloseable {
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final VfioUserServer.Patience PATIENCE =
      new VfioUserServer.Patience(DEADLINE_NANOS, TimeUnit.MILLISECONDS.toNanos(300));

  final ClientMemory memory;
  final ClientInterrupts interrupts = new ClientInterrupts();
  final SampleFunction function;
  final BusMaster master;
  final VfioUserServer server;
  final String path;

  Served(Path folder, boolean allowUnsealed) {
    this(folder, allowUnsealed, PATIENCE);
  }

  Served(Path folder, boolean allowUnsealed, VfioUserServer.Patience patience) {
    path = folder.resolve("socket").toString();
    memory = new ClientMemory(allowUnsealed);
    function = SampleFunction.express(interrupts, interrupts, false);
    master = function.master(memory);
    server =
        VfioUserServer.start(UnixListener.listen(path), function, memory, interrupts, patience);
  }

  VfioUserClient client() {
    return VfioUserClient.open(path);
  }

  /** Lets the function master the bus, as a driver does. */
  void enable(VfioUserClient client) {
    client.write(7, 4, (byte) 6, (byte) 0);
    assertTrue(function.busMasterEnabled());
  }

  void awaitNoClient() {
    await(() -> !server.occupied(), "the client to be let go");
  }

  static void await(BooleanSupplier condition, String what) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() - start < DEADLINE_NANOS, "waited in vain for " + what);
      Thread.onSpinWait();
    }
  }

  static long openDescriptors() {
    try (Stream<Path> fds = Files.list(Path.of("/proc/self/fd"))) {
      return fds.count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Maps of memory files that are called {@code name}. */
  static long maps(String name) {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
      return lines.filter(line -> line.contains("/memfd:" + name)).count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    server.close();
  }
}
