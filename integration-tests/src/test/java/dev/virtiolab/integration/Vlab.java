package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.virtiolab.posix.User;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * {@code vlab} as a process of its own, with a home and a temporary folder of its own, so that what
 * it leaves behind can be seen.
 */
final class Vlab implements AutoCloseable {
  private static final long DEADLINE_SECONDS = 90;

  /** Looking all the time would take a core from what is looked at. */
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  private static final int NOBODY = 65534;

  /** The lab's program. */
  static final String MAIN = "dev.virtiolab.lab.cli.Main";

  /** How a run ended. */
  record Ended(int exitCode, String out, String err) {}

  private final Path folder;
  private final Optional<String> tunMode;
  private final List<String> bounds = new ArrayList<>();
  private final Set<String> interfacesBefore = interfaces();
  private final List<String> javaOptions = new ArrayList<>();
  private final List<String> hidden = new ArrayList<>();
  private Process process;

  /** Whether the process is that of {@link Repeated}, and waits for the next command. */
  private boolean waits;

  private Vlab(Path folder, Optional<String> tunMode) {
    this.folder = folder;
    this.tunMode = tunMode;
  }

  /** As whoever runs the tests. */
  static Vlab asMyself() {
    return new Vlab(newFolder(), Optional.empty());
  }

  /**
   * As an ordinary user; the tests must run as root.
   *
   * @param tunMode permissions of /dev/net/tun, in a mount namespace of the test's own; 666 on most
   *     machines
   */
  static Vlab asOrdinaryUser(String tunMode) {
    return new Vlab(newFolder(), Optional.of(tunMode));
  }

  /**
   * As root where root may make no namespaces, as in most containers; the tests must run as root.
   */
  static Vlab asRootWithoutNamespaces() {
    Vlab vlab = asMyself();
    vlab.bounds.addAll(List.of("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"));
    return vlab;
  }

  /**
   * In a network namespace of its own that {@code script} furnishes first, with lo up; as whoever
   * may make one.
   *
   * @param script for sh; what it starts must end with its parent
   */
  static Vlab inNetworkOf(String script) {
    Vlab vlab = asMyself();
    vlab.bounds.add("unshare");
    if (!User.isRoot()) {
      vlab.bounds.addAll(List.of("--user", "--map-root-user"));
    }
    vlab.bounds.addAll(
        List.of(
            "--net", "sh", "-c", "set -e; ip link set lo up\n" + script + "\nexec \"$@\"", "sh"));
    return vlab;
  }

  /** In the network namespace of process {@code pid}; as who made that. */
  static Vlab inNetworkOf(long pid) {
    Vlab vlab = asMyself();
    vlab.bounds.addAll(enter(pid));
    return vlab;
  }

  /**
   * Leaves the run no right but CAP_NET_ADMIN, as a container has it: a network can be administered
   * and none be made; the tests must run as root.
   */
  Vlab onlyNetAdmin() {
    bounds.addAll(List.of("setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all"));
    return this;
  }

  private static Path newFolder() {
    try {
      Path folder = Files.createTempDirectory("vlab-test");
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
      for (String name : List.of("tmp", "home", "out")) {
        Path inner = Files.createDirectory(folder.resolve(name));
        Files.setPosixFilePermissions(inner, PosixFilePermissions.fromString("rwxrwxrwx"));
      }
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Java, for something short. */
  static List<String> java() {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-XX:-UsePerfData",
        "-XX:TieredStopAtLevel=1",
        "--enable-native-access=ALL-UNNAMED");
  }

  /** Adds options of the Java virtual machine, as VLAB_JAVA_OPTS does. */
  Vlab java(String... options) {
    javaOptions.addAll(List.of(options));
    return this;
  }

  /** Where a run may write files. */
  Path out(String name) {
    return folder.resolve("out").resolve(name);
  }

  /**
   * Lets the run find no such program, wherever it is on this machine; the tests must run as root.
   */
  Vlab without(String program) {
    hidden.add(program);
    return this;
  }

  /** Lets the run find a shell script instead of a program of the machine's. */
  Vlab with(String program, String script) {
    Path bin = folder.resolve("bin");
    try {
      Files.createDirectories(bin);
      Files.writeString(bin.resolve(program), "#!/bin/sh\n" + script);
      for (Path path : List.of(bin, bin.resolve(program))) {
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return this;
  }

  Vlab start(String... arguments) {
    return launch(Installation.classPath(), MAIN, arguments);
  }

  /** Starts {@link Repeated}, which waits for {@link #tell}. */
  Vlab startRepeated() {
    Path tests;
    try {
      tests = Path.of(Repeated.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
    waits = true;
    return launch(Installation.classPath() + ":" + tests, Repeated.class.getName());
  }

  /** Writes a line to its standard input. */
  void tell(String line) {
    try {
      process.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
      process.getOutputStream().flush();
    } catch (IOException e) {
      throw new AssertionError("it does not listen any more: " + text("stderr"), e);
    }
  }

  /** Has {@link Repeated} end. */
  Ended endRepeated() {
    waits = false;
    try {
      process.getOutputStream().close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return await();
  }

  private Vlab launch(String classPath, String main, String... arguments) {
    List<String> command = new ArrayList<>();
    for (String program : hidden) {
      command.addAll(
          List.of(
              "unshare",
              "--mount",
              "sh",
              "-c",
              "for f in $(which -a "
                  + program
                  + "); do mount --bind /dev/null $f || exit 99; done; exec \"$@\"",
              "sh"));
    }
    if (tunMode.isPresent()) {
      command.addAll(
          List.of(
              "unshare",
              "--mount",
              "sh",
              "-c",
              "mount -t tmpfs tmpfs /dev/net && mknod -m "
                  + tunMode.get()
                  + " /dev/net/tun c 10 200 && exec \"$@\"",
              "sh",
              "setpriv",
              "--reuid=" + NOBODY,
              "--regid=" + NOBODY,
              "--clear-groups",
              "--inh-caps=-all",
              "--no-new-privs"));
    }
    command.addAll(bounds);
    command.addAll(java());
    command.addAll(Installation.options());
    command.addAll(
        List.of(
            "-Djava.io.tmpdir=" + folder.resolve("tmp"),
            "-Duser.home=" + folder.resolve("home"),
            "-Djna.tmpdir=" + folder.resolve("tmp")));
    command.addAll(javaOptions);
    command.addAll(List.of("-cp", classPath, main));
    command.addAll(List.of(arguments));
    try {
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .directory(folder.resolve("out").toFile())
              .redirectOutput(folder.resolve("stdout").toFile())
              .redirectError(folder.resolve("stderr").toFile());
      builder
          .environment()
          .merge("PATH", folder.resolve("bin").toString(), (old, b) -> b + ":" + old);
      process = builder.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return this;
  }

  /** Runs to the end. */
  Ended run(String... arguments) {
    return start(arguments).await();
  }

  Ended await() {
    try {
      if (!process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
        fail(
            "no end after "
                + DEADLINE_SECONDS
                + " s; it printed: "
                + text("stdout")
                + text("stderr"));
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    return new Ended(process.exitValue(), text("stdout"), text("stderr"));
  }

  /** Waits until it has printed {@code word}. */
  void awaitOutput(String word) {
    awaitOutput(word, 1);
  }

  /** Waits until it has printed {@code word} so often. */
  void awaitOutput(String word, int times) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (text("stdout").split(Pattern.quote(word), -1).length <= times) {
      if (!process.isAlive() || System.nanoTime() - deadline > 0) {
        fail("never printed " + word + " but: " + text("stdout") + text("stderr"));
      }
      LockSupport.parkNanos(LOOK_NANOS);
    }
  }

  /** What it has printed so far. */
  String printed() {
    return text("stdout");
  }

  /** Likewise on standard error. */
  String printedToErr() {
    return text("stderr");
  }

  /** What an HTTP server on this machine answers. */
  static String get(String url) {
    try (InputStream page = URI.create(url).toURL().openStream()) {
      return new String(page.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Waits until a file of the run's has so many bytes. */
  void awaitFile(Path file, long bytes) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (file.toFile().length() < bytes) {
      if (!process.isAlive() || System.nanoTime() - deadline > 0) {
        fail("never wrote " + file + " but: " + text("stdout") + text("stderr"));
      }
      LockSupport.parkNanos(LOOK_NANOS);
    }
  }

  /** Where a program of this machine is; the test has made sure that it is there. */
  static Path program(String name) {
    return Stream.of(System.getenv("PATH").split(":"))
        .map(folder -> Path.of(folder, name))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow();
  }

  /** Ctrl-C, which a terminal sends to the whole foreground group. */
  void interrupt() {
    // A child in a session of its own is in no foreground group.
    String session = session(process.pid());
    process
        .descendants()
        .filter(child -> session(child.pid()).equals(session))
        .forEach(child -> command("kill", "-INT", Long.toString(child.pid())));
    signal("INT");
  }

  /** The sixth field of /proc/PID/stat, the second of which is in parentheses; empty if gone. */
  private static String session(long pid) {
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
      return stat.substring(stat.lastIndexOf(')') + 2).split(" ")[3];
    } catch (IOException e) {
      return "";
    }
  }

  /** Ends every child whose command line has {@code words}; as root. */
  long killChildren(String words) {
    return signalChildren(words, "KILL");
  }

  /** Likewise, with another signal than KILL. */
  long signalChildren(String words, String signal) {
    return process
        .descendants()
        .filter(child -> commandLine(child.pid()).contains(words))
        .filter(child -> command("kill", "-" + signal, Long.toString(child.pid())) == 0)
        .count();
  }

  private static String commandLine(long pid) {
    try {
      return Files.readString(Path.of("/proc", Long.toString(pid), "cmdline")).replace('\0', ' ');
    } catch (IOException e) {
      return "";
    }
  }

  long pid() {
    return process.pid();
  }

  void signal(String name) {
    command("kill", "-" + name, Long.toString(process.pid()));
  }

  /** Runs a command in the network namespace of the run; as root. */
  int inItsNetwork(String... command) {
    List<String> entered =
        new ArrayList<>(
            List.of("nsenter", "--target", Long.toString(process.pid()), "--net", "--"));
    entered.addAll(List.of(command));
    return command(entered.toArray(String[]::new));
  }

  /** Runs a command in the network namespace of process {@code pid}; as who made that. */
  Ended inNetworkOf(long pid, String... command) {
    List<String> entered = enter(pid);
    entered.addAll(List.of(command));
    return printed(entered);
  }

  /** Runs a command line of the shell's to its end. */
  static Ended shell(String command) {
    return printed(List.of("sh", "-c", command));
  }

  private static Ended printed(List<String> command) {
    try {
      Process entering = new ProcessBuilder(command).redirectErrorStream(true).start();
      String printed = output(entering);
      return new Ended(entering.isAlive() ? -1 : entering.exitValue(), printed, "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The process that the run started with these words on its command line. */
  private long child(String words) {
    return process
        .descendants()
        .filter(child -> commandLine(child.pid()).contains(words))
        .findFirst()
        .orElseThrow()
        .pid();
  }

  private static List<String> enter(long pid) {
    List<String> enter =
        new ArrayList<>(List.of("nsenter", "--target", Long.toString(pid), "--net"));
    if (!User.isRoot()) {
      enter.addAll(List.of("--user", "--preserve-credentials"));
    }
    enter.add("--");
    return enter;
  }

  /** Starts a Java program in the network namespace of a child of the run; as root. */
  Process inNetworkOf(String words, Class<?> program, String... arguments) {
    long child = child(words);
    List<String> command =
        new ArrayList<>(List.of("nsenter", "--target", Long.toString(child), "--net", "--"));
    command.addAll(java());
    command.addAll(
        List.of(
            "-Djna.tmpdir=" + folder.resolve("tmp"),
            "-cp",
            System.getProperty("java.class.path"),
            program.getName()));
    command.addAll(List.of(arguments));
    try {
      return new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What a program printed, which is awaited; without the last line's end. */
  static String output(Process program) {
    try {
      if (!program.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
        program.destroyForcibly();
        return "no end after " + DEADLINE_SECONDS + " s";
      }
      return new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static int command(String... command) {
    try {
      return new ProcessBuilder(command)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .redirectError(ProcessBuilder.Redirect.INHERIT)
          .start()
          .waitFor();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Nothing of the run is left: no process, no interface, no temporary file. */
  void assertNothingLeft() {
    assertNoProcessAndNoInterfaceLeft();
    assertTrue(temporaryFiles().isEmpty(), () -> "temporary files left: " + temporaryFiles());
  }

  /** What the run has in its temporary folder. */
  List<Path> temporaryFiles() {
    Path tmp = folder.resolve("tmp");
    try (Stream<Path> files = Files.walk(tmp)) {
      return files.filter(file -> !file.equals(tmp)).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What holds even after {@code kill -9}; the network namespace had no other process. */
  void assertNoProcessAndNoInterfaceLeft() {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (!processesInFolder().isEmpty()) {
      assertTrue(System.nanoTime() - deadline < 0, "still running: " + processesInFolder());
      LockSupport.parkNanos(LOOK_NANOS);
    }
    Set<String> added = interfaces();
    added.removeAll(interfacesBefore);
    assertTrue(added.isEmpty(), "interfaces left: " + added);
  }

  /** Processes that were started in this run's folder: the lab unless it waits, and its ping. */
  private Set<String> processesInFolder() {
    Set<String> found = new TreeSet<>();
    Path cwd = folder.resolve("out");
    ProcessHandle.allProcesses()
        .filter(handle -> !waits || handle.pid() != process.pid())
        .forEach(
            handle -> {
              try {
                Path at = Path.of("/proc", Long.toString(handle.pid()), "cwd");
                if (Files.readSymbolicLink(at).equals(cwd)) {
                  found.add(handle.pid() + " " + handle.info().command().orElse(""));
                }
              } catch (IOException e) {
                // Gone meanwhile, or not ours to look at.
              }
            });
    return found;
  }

  private static Set<String> interfaces() {
    String[] names = Path.of("/sys/class/net").toFile().list();
    // Docker's come and go with other people's containers.
    return Stream.of(names == null ? new String[0] : names)
        .filter(name -> !name.startsWith("veth") && !name.startsWith("br-"))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private String text(String stream) {
    try {
      return Files.readString(folder.resolve(stream));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    if (process != null && process.isAlive()) {
      process.destroyForcibly();
    }
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted((a, b) -> b.compareTo(a)).forEach(file -> file.toFile().delete());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
