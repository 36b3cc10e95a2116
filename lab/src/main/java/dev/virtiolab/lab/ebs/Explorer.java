package dev.virtiolab.lab.ebs;

import dev.virtiolab.iommu.PlatformKind;
import java.util.List;

/** Runs every order of a policy and the drivers of a machine, and judges each. */
public final class Explorer {
  private final Catalogue catalogue;
  private final Settings settings;

  public Explorer(Catalogue catalogue, Settings settings) {
    this.catalogue = catalogue;
    this.settings = settings;
  }

  /** What to run: one cell of the matrix. */
  public record Task(PlatformKind platform, String policy, List<String> drivers) {}

  /** Told of each cell as it is done, on any thread, one at a time. */
  @FunctionalInterface
  public interface Progress {
    Progress NONE = (done, all) -> {};

    void cells(int done, int all);
  }

  /**
   * Runs cells on as many threads as there are processors.
   *
   * @return one for each task, in the order of the tasks: the same bytes for the same settings
   * @throws dev.virtiolab.lab.LabException if the thread is interrupted
   */
  public List<Cell> explore(List<Task> tasks, Progress progress) {
    throw new UnsupportedOperationException("under construction");
  }

  /** Runs a policy and a driver in each circumstance. */
  public List<Encounter> encounter(PlatformKind platform, String policy, String driver) {
    throw new UnsupportedOperationException("under construction");
  }

  /**
   * Runs one history again, and tells each step.
   *
   * @throws dev.virtiolab.lab.LabException if there is no such history
   */
  public Timeline replay(HistoryId id) {
    throw new UnsupportedOperationException("under construction");
  }
}
