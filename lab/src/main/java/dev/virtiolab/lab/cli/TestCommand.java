package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The words of {@code vlab test}; the deed is the launcher's, since it must not need a build. */
@Command(
    name = "test",
    description = {
      "Installs what the tests need, as far as it may, builds everything and runs all tests.",
      "A test whose requirement this machine lacks is skipped with one line that says what to install."
    })
final class TestCommand implements Callable<Integer> {

  @Option(names = "--strict", description = "a skipped test is a failure, as in CI")
  private boolean strict;

  @Parameters(paramLabel = "MAVEN-OPTION", description = "passed to Maven, such as -Dtest=NAME")
  private List<String> mavenOptions = List.of();

  @Override
  public Integer call() {
    throw LabException.usage("the tests are run by the launcher: ./vlab test");
  }
}
