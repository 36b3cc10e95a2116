package dev.virtiolab.lab.host;

import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** This process, for whoever wants to start another one like it. */
public final class OwnProcess {

  private OwnProcess() {}

  /**
   * The command line, word by word; the first word is the program's whole path.
   *
   * @throws LabException if the kernel does not tell
   */
  public static List<String> commandLine() {
    try {
      String raw = Files.readString(Path.of("/proc/self/cmdline"), StandardCharsets.UTF_8);
      List<String> words = new ArrayList<>(List.of(raw.split("\0", -1)));
      words.removeLast(); // what follows the last terminator
      // The first word may be a bare name; the process knows what it runs.
      words.set(0, Files.readSymbolicLink(Path.of("/proc/self/exe")).toString());
      return words;
    } catch (IOException e) {
      throw LabException.failure("cannot read /proc/self/cmdline: " + e.getMessage(), e);
    }
  }
}
