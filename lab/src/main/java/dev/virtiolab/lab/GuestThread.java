package dev.virtiolab.lab;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.uefi.EfiStatus;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The thread that is the guest's CPU: it boots the firmware and then gives it one turn after the
 * other. Whoever wants something of the firmware asks here, and is served between two turns.
 */
public final class GuestThread implements AutoCloseable {

  private final Queue<Runnable> requests = new ConcurrentLinkedQueue<>();
  private final CompletableFuture<Firmware> booted = new CompletableFuture<>();
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private final Supplier<Firmware> boot;
  private final Thread thread;
  private volatile boolean stopping;

  /**
   * @param boot runs on the guest's thread
   */
  GuestThread(Supplier<Firmware> boot) {
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
  Firmware start() {
    thread.start();
    return await(booted);
  }

  /**
   * Runs {@code request} on the guest's thread, between two turns, and waits for its result.
   *
   * @throws IllegalStateException if the guest has ended
   */
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

  private <T> CompletableFuture<T> submit(Function<Firmware, T> request) {
    CompletableFuture<T> answer = new CompletableFuture<>();
    requests.add(
        () -> {
          try {
            answer.complete(request.apply(booted.join()));
          } catch (RuntimeException | Error e) {
            answer.completeExceptionally(e);
          }
        });
    // A guest that has ended answers nobody: its end is the answer then.
    ended.whenComplete(
        (nothing, failure) ->
            answer.completeExceptionally(
                failure != null ? failure : new IllegalStateException("the guest has ended")));
    return answer;
  }

  /** ExitBootServices on the guest's thread, which ends with it if it succeeds. */
  EfiStatus exitBootServices() {
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
        firmware = boot.get();
      } catch (RuntimeException | Error e) {
        booted.completeExceptionally(e);
        throw e;
      }
      booted.complete(firmware);
      while (!stopping) {
        firmware.turn();
        for (Runnable request = requests.poll(); request != null; request = requests.poll()) {
          request.run();
        }
      }
      ended.complete(null);
    } catch (RuntimeException | Error e) {
      ended.completeExceptionally(e);
    }
  }

  /** Completes when the guest's thread is done, exceptionally if it broke. */
  CompletableFuture<Void> ended() {
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
