package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.host.Doctor;
import dev.virtiolab.lab.host.Doctor.Finding;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab doctor}. */
@Command(
    name = "doctor",
    description = {
      "Says what this machine allows, and what to install.",
      "Exit code 0 if vlab ping has a host on its far side and vlab test skips nothing for it, else 1."
    })
final class DoctorCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Option(names = "--json", description = "print one JSON object")
  private boolean json;

  /** What {@code --json} prints. */
  record Report(boolean ok, List<Finding> findings) {}

  @Override
  public Integer call() {
    List<Finding> findings = Doctor.examine();
    boolean ok = findings.stream().allMatch(finding -> finding.ok() || !finding.needed());
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(new Report(ok, findings)));
    } else {
      for (Finding finding : findings) {
        out.printf(
            "%-8s %-20s %s%n",
            finding.ok() ? "ok" : finding.needed() ? "MISSING" : "absent",
            finding.name(),
            finding.ok() ? finding.found() : finding.remedy());
      }
    }
    out.flush();
    return ok ? 0 : 1;
  }
}
