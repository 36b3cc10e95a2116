package dev.virtiolab.lab.ebs;

import dev.virtiolab.lab.LabException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Does jobs side by side, one lane for each processor, and hands their results back in order. A run
 * that does not come back is left behind on its thread, and the lane goes on with another.
 *
 * @param <T> what a job comes to
 */
final class Lanes<T> {
  /**
   * So deep that whoever calls firmware in a circle is cut by the number of calls, at the same one
   * each time. Memory is taken as the stack grows.
   */
  private static final long STACK_BYTES = 32 << 20;

  /** A job, on the lane that does it. */
  interface Job<T> {
    T on(Lane lane);
  }

  /** Where one run after the other goes. */
  static final class Lane implements AutoCloseable {
    private final Duration longestRun;
    private ExecutorService runner = newRunner();

    Lane(Duration longestRun) {
      this.longestRun = longestRun;
    }

    private static ExecutorService newRunner() {
      return Executors.newSingleThreadExecutor(
          work -> {
            Thread thread = new Thread(null, work, "order", STACK_BYTES);
            thread.setDaemon(true);
            return thread;
          });
    }

    /**
     * What {@code run} comes to, or {@code instead} if it does not come back.
     *
     * @throws LabException if the calling thread is interrupted
     */
    <T> T within(Callable<T> run, Supplier<T> instead) {
      Future<T> result = runner.submit(run);
      try {
        return result.get(longestRun.toMillis(), TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        runner.shutdownNow();
        runner = newRunner();
        return instead.get();
      } catch (InterruptedException e) {
        runner.shutdownNow();
        throw LabException.interrupted();
      } catch (ExecutionException e) {
        throw unwrapped(e);
      }
    }

    @Override
    public void close() {
      runner.shutdownNow();
    }
  }

  private final Effort effort;
  private final Explorer.Progress progress;
  private int done;

  Lanes(Effort effort, Explorer.Progress progress) {
    this.effort = effort;
    this.progress = progress;
  }

  List<T> run(List<Job<T>> jobs) {
    AtomicInteger next = new AtomicInteger();
    List<T> results = new ArrayList<>();
    jobs.forEach(job -> results.add(null));
    int lanes = Math.max(1, Math.min(jobs.size(), effort.lanes()));
    try (ExecutorService workers = Executors.newFixedThreadPool(lanes)) {
      List<Future<?>> ends = new ArrayList<>();
      for (int lane = 0; lane < lanes; lane++) {
        ends.add(workers.submit(() -> work(jobs, next, results)));
      }
      try {
        for (Future<?> end : ends) {
          end.get();
        }
      } catch (InterruptedException e) {
        workers.shutdownNow();
        throw LabException.interrupted();
      } catch (ExecutionException e) {
        workers.shutdownNow();
        throw unwrapped(e);
      }
    }
    return results;
  }

  private void work(List<Job<T>> jobs, AtomicInteger next, List<T> results) {
    try (Lane lane = new Lane(effort.longestRun())) {
      for (int job = next.getAndIncrement(); job < jobs.size(); job = next.getAndIncrement()) {
        T result = jobs.get(job).on(lane);
        synchronized (this) {
          results.set(job, result);
          progress.cells(++done, jobs.size());
        }
      }
    }
  }

  private static RuntimeException unwrapped(ExecutionException e) {
    return switch (e.getCause()) {
      case RuntimeException own -> own;
      case Error error -> throw error;
      default -> new IllegalStateException(e.getCause());
    };
  }
}
