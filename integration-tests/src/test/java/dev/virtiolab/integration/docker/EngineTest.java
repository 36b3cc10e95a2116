package dev.virtiolab.integration.docker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.integration.ContainerOwner;
import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** docker/engine: what it starts it stops, and what it did not start it lets be. */
class EngineTest {
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(90);

  @Test
  void anEngineOfItsOwnEndsWithTheCommandWhoseExitCodeItHas() throws IOException {
    needDockerd();
    Set<String> before = traces();
    Docker.Ended ended =
        Docker.run(
            "./engine", "run", "--own", "sh", "-c", "docker info && echo $DOCKER_HOST; exit 7");
    assertEquals(7, ended.exitCode(), ended.out());
    assertTrue(ended.out().contains("unix:///run/virtio-lab."), ended.out());
    assertTrue(ended.out().contains("Server Version"), ended.out());
    assertEquals(before, traces());
  }

  @Test
  void anEngineOfItsOwnEndsWhenItsScriptIsKilled() throws IOException, InterruptedException {
    needDockerd();
    Set<String> before = traces();
    Path printed = Files.createTempFile("engine-test", ".out");
    Process engine =
        new ProcessBuilder("./engine", "run", "--own", "sh", "-c", "echo running; exec sleep 600")
            .directory(Docker.FOLDER.toFile())
            .redirectErrorStream(true)
            .redirectOutput(printed.toFile())
            .start();
    try {
      long deadline = System.nanoTime() + DEADLINE_NANOS;
      while (!Files.readString(printed).contains("running")) {
        assertTrue(engine.isAlive() && System.nanoTime() - deadline < 0, Files.readString(printed));
        LockSupport.parkNanos(5_000_000);
      }
      assertTrue(traces().size() > before.size(), "nothing was started, it seems: " + traces());
      List<ProcessHandle> command = engine.children().filter(each -> sleeps(each)).toList();
      engine.destroyForcibly().waitFor();
      command.forEach(ProcessHandle::destroyForcibly);
      deadline = System.nanoTime() + DEADLINE_NANOS;
      while (!traces().equals(before)) {
        assertTrue(System.nanoTime() - deadline < 0, "left: " + traces() + ", before: " + before);
        LockSupport.parkNanos(5_000_000);
      }
    } finally {
      engine.destroyForcibly();
      Files.delete(printed);
    }
  }

  private static boolean sleeps(ProcessHandle process) {
    return process.info().commandLine().orElse("").contains("sleep 600");
  }

  @Test
  void theEngineThatAnswersIsUsedAndWhatHasNoOwnerIsSwept() {
    try (Docker docker = Docker.open()) {
      String owner = ContainerOwner.thisProcess();
      String gone = owner.substring(0, owner.lastIndexOf('-')) + "-1";
      String elsewhere = "1" + owner.substring(owner.indexOf('-')) + "7";
      String[] sleeper = {Docker.PEER};
      String orphan = docker.start("virtio-lab.owner=" + gone, sleeper);
      String foreign = docker.start("virtio-lab.owner=" + elsewhere, sleeper);
      String odd = docker.start("virtio-lab.owner=nobody", sleeper);
      String mine = docker.start(sleeper);
      Docker.Ended ended = Docker.run("./engine", "run", "docker", "ps", "--format", "{{.Names}}");
      List<String> running = ended.orFail().out().lines().toList();
      assertTrue(!running.contains(orphan), ended.out());
      assertTrue(running.containsAll(List.of(foreign, odd, mine)), ended.out());
    }
  }

  @Test
  void withoutAnEngineTheCommandRunsAllTheSameAndOneLineSaysWhy() {
    Requirements.assumeProgram("docker", "docker.io");
    Docker.Ended ended =
        Docker.run(
            List.of(
                "setpriv",
                "--reuid=65534",
                "--clear-groups",
                "./engine",
                "run",
                "sh",
                "-c",
                "echo run; exit 3"),
            Map.of("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    assertEquals(3, ended.exitCode(), ended.out());
    List<String> lines = ended.out().lines().toList();
    assertEquals(2, lines.size(), ended.out());
    assertTrue(lines.getFirst().contains("no Docker engine answers"), ended.out());
    assertEquals("run", lines.getLast());
  }

  @Test
  void anEngineThatIsTooOldIsNotUsed() throws IOException {
    Path folder = Files.createTempDirectory("old-docker");
    Path docker = folder.resolve("docker");
    try {
      Files.writeString(docker, "#!/bin/sh\necho 19.03.5\n");
      assertTrue(docker.toFile().setExecutable(true));
      Docker.Ended ended =
          Docker.run(
              List.of("./engine", "status"), Map.of("PATH", folder + ":" + System.getenv("PATH")));
      assertEquals(2, ended.exitCode());
      assertEquals(
          "engine: the Docker engine is too old: 19.03.5, and 20.10 or later is needed",
          ended.out());
    } finally {
      Files.deleteIfExists(docker);
      Files.delete(folder);
    }
  }

  private static void needDockerd() {
    Requirements.assumeRoot();
    Requirements.assumeProgram("dockerd", "docker.io");
  }

  /** Processes, folders and mounts of engines that docker/engine started; and interfaces. */
  private static Set<String> traces() throws IOException {
    Set<String> found = new TreeSet<>();
    ProcessHandle.allProcesses()
        .map(each -> each.pid() + " " + each.info().commandLine().orElse(""))
        .filter(line -> line.contains("/run/virtio-lab."))
        .forEach(found::add);
    for (Path folder : List.of(Path.of("/run"), Docker.FOLDER.resolve("target"))) {
      if (Files.isDirectory(folder)) {
        try (Stream<Path> files = Files.list(folder)) {
          files
              .map(Path::toString)
              .filter(name -> name.contains("/virtio-lab.") || name.contains("/engine."))
              .forEach(found::add);
        }
      }
    }
    Files.readAllLines(Path.of("/proc/self/mounts")).stream()
        .filter(line -> line.contains("/run/virtio-lab.") || line.contains("/target/engine."))
        .forEach(found::add);
    if (Files.exists(Path.of("/sys/class/net/docker0"))) {
      found.add("docker0");
    }
    return found;
  }
}
