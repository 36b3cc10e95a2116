package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.fail;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * A guest that has never heard of this project, in a QEMU of the image virtio-lab/qemu. What it
 * prints on its console is looked at.
 */
final class QemuGuest implements AutoCloseable {
  private static final String IMAGE = System.getenv("VIRTIO_LAB_QEMU_IMAGE");
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(600);

  private final String name;
  private final Path console;
  private final Process process;

  private QemuGuest(String name, Path console, Process process) {
    this.name = name;
    this.console = console;
    this.process = process;
  }

  /** Skips the test where there is no image. */
  static void assumeImage() {
    Requirements.assume(
        IMAGE != null,
        "no image with QEMU: run ./vlab test as root on Debian, or docker/with-images COMMAND where a"
            + " Docker engine answers");
  }

  /**
   * Boots Linux.
   *
   * @param folder the guest's QEMU has it as /lab; its console is written there
   * @param script what the guest does; then it says {@code guest: done}
   * @param qemu further options
   */
  static QemuGuest linux(Path folder, String kernelOptions, String script, String... qemu) {
    try {
      Files.writeString(folder.resolve("script"), script);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    List<String> command = new ArrayList<>(List.of("linux", kernelOptions));
    command.addAll(List.of(qemu));
    return start(folder, command);
  }

  /** Boots OVMF. */
  static QemuGuest ovmf(Path folder, String... qemu) {
    List<String> command = new ArrayList<>(List.of("ovmf"));
    command.addAll(List.of(qemu));
    return start(folder, command);
  }

  private static QemuGuest start(Path folder, List<String> inside) {
    String name = "virtio-lab-qemu-" + ProcessHandle.current().pid() + "-" + System.nanoTime();
    List<String> command = new ArrayList<>(List.of("docker", "run", "--rm", "--name", name));
    command.addAll(
        List.of(
            "--label", "virtio-lab.owner=" + ContainerOwner.thisProcess(), "--network", "none"));
    command.addAll(List.of("-v", folder + ":/lab", IMAGE));
    command.addAll(inside);
    try {
      Path console = Files.createTempFile(folder, "console", "");
      return new QemuGuest(
          name,
          console,
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(console.toFile())
              .start());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What it has printed so far. */
  String console() {
    try {
      return Files.readString(console).replace("\r", "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Waits until it has printed {@code words}. */
  void await(String words) {
    long start = System.nanoTime();
    while (!console().contains(words)) {
      if (!process.isAlive() && !console().contains(words)) {
        fail("ended without \"" + words + "\"; its console:\n" + console());
      }
      pause(start, words);
    }
  }

  private void pause(long start, String words) {
    if (System.nanoTime() - start > DEADLINE_NANOS) {
      fail("waited in vain for \"" + words + "\"; its console:\n" + console());
    }
    rest();
  }

  private void rest() {
    try {
      // QEMU needs the processor more than this: a look every so often will do.
      process.waitFor(50, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Waits until it has powered off, having done all that its script says. */
  String awaitDone() {
    await("guest: done");
    long start = System.nanoTime();
    while (process.isAlive()) {
      pause(start, "power off");
    }
    return console();
  }

  /**
   * As {@link #awaitDone()}, with a guest that says something every now and then: where it falls
   * silent, its console is told at once, and what is known of its NIC.
   */
  String awaitDone(Duration silence, Supplier<String> nic) {
    String said = "";
    long since = System.nanoTime();
    while (!console().contains("guest: done")) {
      String now = console();
      if (!now.equals(said)) {
        said = now;
        since = System.nanoTime();
      } else if (System.nanoTime() - since > silence.toNanos()) {
        fail("silent for " + silence + "; its NIC:\n" + nic.get() + "\nits console:\n" + said);
      } else if (!process.isAlive()) {
        break; // The last look is awaitDone()'s.
      }
      rest();
    }
    return awaitDone();
  }

  /** {@code kill -9}. */
  void kill() {
    docker("kill", "--signal", "KILL", name);
    long start = System.nanoTime();
    while (process.isAlive()) {
      pause(start, "its end");
    }
  }

  /** Copies a file out of the image. */
  static void copyOut(String file, Path to) {
    try {
      Process cat =
          new ProcessBuilder("docker", "run", "--rm", "--network", "none", IMAGE, "cat", file)
              .redirectOutput(to.toFile())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      if (cat.waitFor() != 0) {
        fail("the image has no " + file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void docker(String... arguments) {
    List<String> command = new ArrayList<>(List.of("docker"));
    command.addAll(List.of(arguments));
    try {
      new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .start()
          .waitFor();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    if (process.isAlive()) {
      docker("rm", "--force", name);
    }
  }
}
