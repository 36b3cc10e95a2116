package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** What the pages show is what the command prints. */
class EbsDocsTest {
  private static final Path ROOT = Path.of("..");
  private static final String COMMAND = "$ ./vlab ebs ";

  @Test
  void theStoryShowsTheMatricesAsTheyAre() throws IOException {
    List<String> printed = run("--platform", "sev,vtd", "--no-pairs");
    List<String> page = Files.readAllLines(ROOT.resolve("docs/exit-boot-services.md"));

    assertEquals(matrix("sev", printed), matrix("sev", page));
    assertEquals(matrix("vtd", printed), matrix("vtd", page));
  }

  @Test
  void theReadmeShowsTheMatrixOfTheCommandAboveIt() throws IOException {
    List<String> page = Files.readAllLines(ROOT.resolve("README.md"));
    int above = 0;
    while (!page.get(above).startsWith(COMMAND)) {
      above++;
    }
    String[] arguments = page.get(above).substring(COMMAND.length()).split(" ");

    assertEquals(
        matrix("sev", run(arguments)), matrix("sev", page.subList(above + 1, page.size())));
  }

  /** From the line that begins with the platform's name to the last driver's. */
  private static List<String> matrix(String platform, List<String> lines) {
    int begin = 0;
    while (!lines.get(begin).startsWith(platform + "   ")) {
      begin++;
    }
    int end = begin;
    while (!lines.get(end).startsWith("never-maps ")) {
      end++;
    }
    return lines.subList(begin, end + 1);
  }

  private static List<String> run(String... arguments) {
    StringWriter out = new StringWriter();
    CommandLine command = new CommandLine(new EbsCommand()).setOut(new PrintWriter(out));
    assertEquals(0, command.execute(arguments));
    return out.toString().lines().toList();
  }
}
