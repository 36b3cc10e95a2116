package dev.virtiolab.integration;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Whose a container is that a test made: the value of its label virtio-lab.owner. */
public final class ContainerOwner {
  private ContainerOwner() {}

  /** This process, as docker/engine names owners. */
  public static String thisProcess() {
    try {
      long pid = ProcessHandle.current().pid();
      String namespace = Files.readSymbolicLink(Path.of("/proc/self/ns/pid")).toString();
      String stat = Files.readString(Path.of("/proc/self/stat"));
      String started = stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19];
      return namespace.replaceAll("\\D", "") + "-" + pid + "-" + started;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
