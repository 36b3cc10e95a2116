package dev.virtiolab.lab.qemu;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.netty.StreamAddress;
import dev.virtiolab.net.netty.StreamBackend;
import dev.virtiolab.net.netty.StreamConfig;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.qtest.QtestClient;
import dev.virtiolab.pci.qtest.QtestException;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.UnixListener;
import dev.virtiolab.posix.UnixStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * A QEMU of the lab's, with two sockets to it: qtest, by which its machine is driven, and the wire
 * of its NIC.
 *
 * <p>Both sockets are the lab's, in a temporary folder that only this user may enter, and QEMU
 * connects to them. As soon as it has done so the folder is gone: nothing is left there, however
 * the process ends. QEMU itself is ended by the kernel when the thread is gone that started it, so
 * that has to be one that lasts; it is in a session of its own, since Ctrl-C is the lab's to hear.
 */
final class QemuProcess implements AutoCloseable {
  private static final long START_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
  private static final long END_MILLIS = 1000;

  /** What has been opened, the latest first. */
  private final Deque<Runnable> opened = new ArrayDeque<>();

  private Process process;
  private LastWords words;
  private StreamBackend wire;
  private QtestClient qtest;

  private QemuProcess() {}

  /**
   * Starts it, and returns when its machine can be driven and its NIC has a wire.
   *
   * @param memory that it maps; stays the caller's to close, afterwards
   * @param mtu what its NIC offers
   * @throws LabException if it does not start, with the line in which it said why
   */
  static QemuProcess start(
      QemuProgram program, MachineConfig config, PhysicalMemory memory, OptionalInt mtu) {
    QemuProcess qemu = new QemuProcess();
    try {
      qemu.startIn(newFolder(), program, config, memory, mtu);
      return qemu;
    } catch (RuntimeException e) {
      qemu.close();
      throw e;
    }
  }

  private static Path newFolder() {
    try {
      return Files.createTempDirectory("vlab-qemu");
    } catch (IOException e) {
      throw LabException.usage("cannot make a temporary folder: " + e, e);
    }
  }

  private void startIn(
      Path folder,
      QemuProgram program,
      MachineConfig config,
      PhysicalMemory memory,
      OptionalInt mtu) {
    try (UnixListener listener = listen(folder)) {
      wire = openWire(folder);
      Files.write(folder.resolve("rom"), QemuCommand.rom());
      List<String> command = new ArrayList<>();
      command.addAll(
          List.of(HostCommand.require("setpriv", "util-linux"), "--pdeathsig", "KILL", "--"));
      command.add(HostCommand.require("setsid", "util-linux"));
      command.addAll(QemuCommand.of(program, config, memory, mtu, folder));
      launch(command);
      qtest = new QtestClient(accept(listener), QtestClient.PATIENCE);
      opened.push(qtest::close);
      greet();
      await(wire::linkUp, "QEMU does not connect its network card");
    } catch (IOException e) {
      throw LabException.failure("cannot run QEMU: " + e.getMessage(), e);
    } finally {
      remove(folder);
    }
  }

  private static UnixListener listen(Path folder) {
    try {
      return UnixListener.listen(folder.resolve("qtest").toString());
    } catch (IllegalArgumentException | PosixException e) {
      throw LabException.usage("temporary folder " + folder + ": " + e.getMessage(), e);
    }
  }

  private StreamBackend openWire(Path folder) {
    try {
      StreamAddress address = new StreamAddress.Unix(folder.resolve("wire"));
      // Whatever befalls it, QEMU's end is what there is to be told.
      StreamBackend opening = StreamBackend.open(StreamConfig.listen(address), (_, _) -> {});
      opened.push(opening::close);
      return opening;
    } catch (IllegalArgumentException | BackendOpenException e) {
      throw LabException.usage("temporary folder " + folder + ": " + e.getMessage(), e);
    }
  }

  private void launch(List<String> command) throws IOException {
    process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
            .start();
    opened.push(this::kill);
    words = new LastWords(process.getInputStream());
  }

  private UnixStream accept(UnixListener listener) {
    UnixStream[] accepted = new UnixStream[1];
    await(
        () -> {
          accepted[0] = listener.accept();
          return accepted[0] != null;
        },
        "QEMU does not connect its qtest socket");
    return accepted[0];
  }

  private void greet() {
    try {
      qtest.greet();
    } catch (QtestException e) {
      throw explain(e);
    }
  }

  private void await(BooleanSupplier there, String complaint) {
    long began = System.nanoTime();
    try (Poll pause = new Poll(1)) {
      while (!there.getAsBoolean()) {
        if (!process.isAlive()) {
          throw LabException.failure(ended());
        }
        if (System.nanoTime() - began > START_NANOS) {
          throw LabException.failure(complaint + " in " + START_NANOS / 1_000_000_000 + " s");
        }
        if (Thread.interrupted()) {
          throw LabException.interrupted();
        }
        pause.await(LOOK_NANOS);
      }
    }
  }

  private static void remove(Path folder) {
    try {
      for (String name : List.of("rom", "wire", "qtest")) {
        Files.deleteIfExists(folder.resolve(name));
      }
      Files.deleteIfExists(folder);
    } catch (IOException e) {
      throw LabException.failure("cannot remove the temporary folder: " + e, e);
    }
  }

  /** By which its machine is driven. */
  QtestClient qtest() {
    return qtest;
  }

  /** The far end of its NIC's wire; closed with it. */
  NetBackend wire() {
    return wire;
  }

  /** Why it is of no more use, in one line; empty while it runs. Any thread. */
  Optional<String> trouble() {
    return process.isAlive() ? Optional.empty() : Optional.of(ended());
  }

  private String ended() {
    String last = words.lastLine();
    return "QEMU ended with exit code " + process.exitValue() + (last.isEmpty() ? "" : ": " + last);
  }

  /** What to tell the user of {@code failure}: that QEMU has ended, if that is the reason. */
  LabException explain(QtestException failure) {
    try {
      // Its sockets are closed a moment before it is gone.
      if (process.waitFor(END_MILLIS, TimeUnit.MILLISECONDS)) {
        return LabException.failure(ended(), failure);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return LabException.failure("QEMU's qtest socket: " + failure.getMessage(), failure);
  }

  /** Ends it, whatever it does, and waits for that. Who waits for an answer of it waits no more. */
  void kill() {
    process.destroyForcibly();
    boolean interrupted = false;
    while (process.isAlive()) {
      try {
        process.waitFor();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ends it and closes the sockets; nobody may be driving its machine. */
  @Override
  public void close() {
    while (!opened.isEmpty()) {
      opened.pop().run();
    }
  }
}
