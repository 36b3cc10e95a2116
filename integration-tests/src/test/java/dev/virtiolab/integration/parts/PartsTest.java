package dev.virtiolab.integration.parts;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** The benchmarks run, and what must cost no heap costs none. */
class PartsTest {
  /** Half of the smallest object: whatever allocates at each operation is above. */
  private static final double BYTES = 8;

  private static final int ATTEMPTS = 5;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ChainWalk.takeAndComplete",
        "EncryptedPage.privateAccess",
        "EncryptedPage.sealAndUnseal",
        "MapUnmap.mapAndUnmap",
      })
  void aPartOfAFramesWayAllocatesNothing(String benchmark) throws RunnerException {
    Map<String, Double> allocated = Map.of();
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      // Until the JVM has compiled it all, a slice of memory that lives for a line is an object.
      allocated = allocated(run(benchmark));
      assertFalse(allocated.isEmpty(), benchmark);
      if (allocated.values().stream().allMatch(bytes -> bytes < BYTES)) {
        return;
      }
    }
    fail("bytes per operation: " + allocated);
  }

  private static Collection<RunResult> run(String benchmark) throws RunnerException {
    return new Runner(
            new OptionsBuilder()
                .include(benchmark)
                .forks(0)
                .warmupIterations(1)
                .warmupTime(TimeValue.milliseconds(100))
                .measurementIterations(1)
                .measurementTime(TimeValue.milliseconds(50))
                .addProfiler(GCProfiler.class)
                .verbosity(VerboseMode.SILENT)
                .build())
        .run();
  }

  /** By parameters, what each benchmark allocated per operation. */
  private static Map<String, Double> allocated(Collection<RunResult> results) {
    Map<String, Double> allocated = new TreeMap<>();
    for (RunResult run : results) {
      Result<?> bytes = run.getSecondaryResults().get("gc.alloc.rate.norm");
      StringBuilder name = new StringBuilder();
      for (String parameter : run.getParams().getParamsKeys()) {
        name.append(parameter).append('=').append(run.getParams().getParam(parameter)).append(' ');
      }
      allocated.put(name.toString(), bytes.getScore());
    }
    return allocated;
  }
}
