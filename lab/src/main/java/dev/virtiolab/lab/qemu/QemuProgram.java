package dev.virtiolab.lab.qemu;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The QEMU of this host.
 *
 * @param path of the program
 * @param version such as {@code 7.2.22}
 */
public record QemuProgram(String path, String version) {
  private static final String NAME = "qemu-system-x86_64";
  private static final String PACKAGE = "qemu-system-x86";
  private static final Pattern VERSION =
      Pattern.compile("version ((\\d{1,4})\\.(\\d{1,4})[.\\d]*)");

  /** The first with {@code -netdev stream}. */
  private static final int MAJOR = 7;

  private static final int MINOR = 2;

  /**
   * Finds it.
   *
   * @throws LabException if it is missing or too old, with the package or the version in the line
   */
  public static QemuProgram require() {
    String path = HostCommand.require(NAME, PACKAGE);
    HostCommand.Outcome outcome = HostCommand.run(List.of(path, "--version"));
    Matcher version = VERSION.matcher(outcome.firstLine());
    if (!outcome.ok() || !version.find()) {
      throw LabException.usage(
          path
              + " --version does not say which QEMU it is: "
              + LastWords.clean(outcome.firstLine()));
    }
    int major = Integer.parseInt(version.group(2));
    int minor = Integer.parseInt(version.group(3));
    if (major < MAJOR || major == MAJOR && minor < MINOR) {
      throw LabException.usage(
          "QEMU is too old: %s is version %s, and %d.%d or later is needed"
              .formatted(path, version.group(1), MAJOR, MINOR));
    }
    return new QemuProgram(path, version.group(1));
  }
}
