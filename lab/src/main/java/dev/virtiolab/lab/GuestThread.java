package dev.virtiolab.lab;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.lab.socket.GuestDoor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/**
 * The thread that is the guest's CPU: it boots the firmware and then gives it one turn after the
 * other. Whoever wants something of the firmware asks here, and is served between two turns.
 */
public final class GuestThread implements GuestDoor, AutoCloseable {

  /** What takes several turns: a series of pings, a transfer. Stepped on the guest's thread. */
  @FunctionalInterface
  public interface Job {
    /** Returned by a job that is done. */
    long DONE = -1;

    /**
     * Does what can be done now, and does not wait.
     *
     * @return nanoseconds after which it wants the next step, which comes before where a frame
     *     came; or {@link #DONE}
     */
    long step(Firmware firmware);
  }

  /** A job, and who waits for it. */
  private record Running(Job job, CompletableFuture<Void> end) {}

  /** Something that is asked of the firmware, and who waits for the answer. */
  private record Request<T>(Function<Firmware, T> question, CompletableFuture<T> answer) {
    void serve(Firmware firmware) {
      try {
        answer.complete(question.apply(firmware));
      } catch (RuntimeException | Error e) {
        answer.completeExceptionally(e);
      }
    }
  }

  /** A guest without jobs waits as long as it likes. */
  private static final long LONG_TURN = Long.MAX_VALUE;

  private final Queue<Request<?>> requests = new ConcurrentLinkedQueue<>();

  /** Of the guest's thread. */
  private final List<Running> jobs = new ArrayList<>();

  private final CompletableFuture<Firmware> booted = new CompletableFuture<>();
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private final Function<BooleanSupplier, Firmware> boot;
  private final Thread thread;
  private volatile boolean stopping;

  /**
   * A thread that has not begun.
   *
   * @param boot runs on the guest's thread; it is given the doorbell, which says whether somebody
   *     waits here for the guest to end its turn
   */
  public GuestThread(Function<BooleanSupplier, Firmware> boot) {
    this.boot = boot;
    thread = Thread.ofPlatform().name("guest").daemon().unstarted(this::run);
  }

  /**
   * Starts the thread and waits until the firmware is up.
   *
   * @return the firmware: its counters may be read by anybody, all else belongs to the guest's
   *     thread
   * @throws dev.virtiolab.firmware.BootException if it does not boot
   */
  public Firmware start() {
    thread.start();
    return await(booted);
  }

  /**
   * Runs {@code request} on the guest's thread, between two turns, and waits for its result.
   *
   * @throws IllegalStateException if the guest has ended
   */
  @Override
  public <T> T ask(Function<Firmware, T> request) {
    return await(submit(request));
  }

  /**
   * Likewise for a request that takes long.
   *
   * @param cutShort run on this thread at Ctrl-C: it makes the request end soon, and its result is
   *     then waited for all the same
   */
  public <T> T ask(Function<Firmware, T> request, Runnable cutShort) {
    CompletableFuture<T> answer = submit(request);
    try {
      return answer.get();
    } catch (InterruptedException e) {
      cutShort.run();
      return await(answer);
    } catch (ExecutionException e) {
      throw unwrap(e);
    }
  }

  /**
   * Runs a request that takes until its maker ends it; other requests, and {@link #close}, wait for
   * that.
   *
   * @return its result, once it has one; exceptionally if the guest has ended
   */
  public <T> CompletableFuture<T> begin(Function<Firmware, T> request) {
    return submit(request);
  }

  /**
   * Steps {@code job} between the turns from now on, until it is done, or until the future is
   * completed by somebody else, such as by cancelling it. Any number of jobs run beside each other.
   *
   * @return complete when the job is done; exceptionally if it threw, or the guest has ended
   */
  public CompletableFuture<Void> run(Job job) {
    CompletableFuture<Void> end = new CompletableFuture<>();
    submit(firmware -> jobs.add(new Running(job, end)))
        .whenComplete(
            (begun, failure) -> {
              if (failure != null) {
                end.completeExceptionally(failure);
              }
            });
    return end;
  }

  /**
   * Asks after each turn until there is an answer, and waits for it.
   *
   * @param attempt on the guest's thread; null: not yet. What it does it does for an answer that is
   *     given: it neither runs nor has run to an end once this has thrown.
   * @throws TimeoutException if there is none before the deadline
   * @throws IllegalStateException if the guest has ended
   */
  @Override
  public <T> T await(Function<Firmware, T> attempt, Duration deadline) throws TimeoutException {
    CompletableFuture<T> answer = new CompletableFuture<>();
    CompletableFuture<Void> end =
        run(
            firmware -> {
              // The lock keeps out who gives up, so that no answer is made for nobody.
              synchronized (answer) {
                T found = answer.isDone() ? null : attempt.apply(firmware);
                if (found == null) {
                  return answer.isDone() ? Job.DONE : LONG_TURN;
                }
                answer.complete(found);
                return Job.DONE;
              }
            });
    end.whenComplete(
        (nothing, failure) -> {
          if (failure != null) {
            answer.completeExceptionally(failure);
          }
        });
    try {
      return answer.get(deadline.toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      throw unwrap(e);
    } catch (TimeoutException e) {
      if (giveUp(answer)) {
        throw e;
      }
      return await(answer);
    } catch (InterruptedException e) {
      giveUp(answer);
      throw LabException.interrupted();
    } finally {
      end.cancel(false);
    }
  }

  /** False if there is an answer after all. */
  private static boolean giveUp(CompletableFuture<?> answer) {
    synchronized (answer) {
      return answer.cancel(false);
    }
  }

  private <T> CompletableFuture<T> submit(Function<Firmware, T> question) {
    Request<T> request = new Request<>(question, new CompletableFuture<>());
    requests.add(request);
    if (ended.isDone()) {
      refuse(); // the thread may have looked for the last time before this one was there
    }
    LockSupport.unpark(thread);
    return request.answer;
  }

  /** A guest that has ended answers nobody: its end is the answer then. Any thread. */
  private void refuse() {
    Throwable end = end();
    for (Request<?> request = requests.poll(); request != null; request = requests.poll()) {
      request.answer.completeExceptionally(end);
    }
  }

  private Throwable end() {
    return ended.isCompletedExceptionally()
        ? ended.exceptionNow()
        : new IllegalStateException("the guest has ended");
  }

  /** ExitBootServices on the guest's thread, which ends with it if it succeeds. */
  public EfiStatus exitBootServices() {
    return ask(
        firmware -> {
          EfiStatus status = firmware.exitBootServices();
          if (!status.isError()) {
            // Never set to false: close() may have been called meanwhile.
            stopping = true;
          }
          return status;
        });
  }

  private void run() {
    try {
      Firmware firmware;
      try {
        firmware = boot.apply(() -> !requests.isEmpty());
      } catch (RuntimeException | Error e) {
        booted.completeExceptionally(e);
        throw e;
      }
      booted.complete(firmware);
      long wanted = LONG_TURN;
      while (!stopping) {
        if (wanted == LONG_TURN) {
          firmware.turn();
        } else {
          firmware.turn(wanted);
        }
        for (Request<?> request = requests.poll(); request != null; request = requests.poll()) {
          request.serve(firmware);
        }
        if (!stopping) {
          wanted = step(firmware); // not after ExitBootServices
        }
      }
      ended.complete(null);
    } catch (RuntimeException | Error e) {
      ended.completeExceptionally(e);
    } finally {
      refuse();
      jobs.forEach(running -> running.end.completeExceptionally(end()));
    }
  }

  /**
   * Steps every job once.
   *
   * @return after how many nanoseconds one wants to be stepped again
   */
  private long step(Firmware firmware) {
    long soonest = LONG_TURN;
    for (int i = jobs.size() - 1; i >= 0; i--) {
      Running running = jobs.get(i);
      long next = Job.DONE;
      if (!running.end.isDone()) {
        try {
          next = running.job.step(firmware);
        } catch (RuntimeException | Error e) {
          running.end.completeExceptionally(e);
        }
      }
      if (next < 0) {
        jobs.remove(i);
        running.end.complete(null);
      } else {
        soonest = Math.min(soonest, next);
      }
    }
    return soonest;
  }

  /** Completes when the guest's thread is done, exceptionally if it broke. */
  public CompletableFuture<Void> ended() {
    return ended;
  }

  private static <T> T await(CompletableFuture<T> result) {
    try {
      return result.get();
    } catch (ExecutionException e) {
      throw unwrap(e);
    } catch (InterruptedException e) {
      throw LabException.interrupted();
    }
  }

  private static RuntimeException unwrap(ExecutionException e) {
    return e.getCause() instanceof RuntimeException known
        ? known
        : new IllegalStateException(e.getCause());
  }

  /** Ends the thread after its present turn, and waits for that. */
  @Override
  public void close() {
    stopping = true;
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
