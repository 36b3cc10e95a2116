package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file that an option names, to be written when all is done. */
final class OutputFile {
  private OutputFile() {}

  /**
   * Sees to it that a long run does not end with a file that cannot be written.
   *
   * @param option such as {@code --html}
   * @param file null: none was asked for
   * @throws LabException if it cannot be
   */
  static void check(String option, Path file) {
    if (file == null) {
      return;
    }
    Path folder = file.toAbsolutePath().getParent();
    if (folder == null
        || !Files.isDirectory(folder)
        || Files.isDirectory(file)
        || !Files.isWritable(Files.exists(file) ? file : folder)) {
      throw LabException.usage("cannot write " + option + " " + file);
    }
  }

  /**
   * Writes it.
   *
   * @throws LabException if that fails
   */
  static void write(String option, Path file, String content) {
    try {
      Files.writeString(file, content);
    } catch (IOException e) {
      throw LabException.failure("cannot write " + option + " " + file + ": " + e.getMessage(), e);
    }
  }
}
