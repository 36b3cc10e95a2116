package dev.virtiolab.lab.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Facts about the host. */
public final class Host {

  private Host() {}

  /** The trimmed text of a small file; empty if it cannot be read. */
  public static String setting(String path) {
    try {
      return Files.readString(Path.of(path)).strip();
    } catch (IOException e) {
      return "";
    }
  }
}
