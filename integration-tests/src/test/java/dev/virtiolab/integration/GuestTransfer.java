package dev.virtiolab.integration;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.host.NetworkNamespace;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.socket.GuestListener;
import dev.virtiolab.lab.socket.GuestSocket;
import dev.virtiolab.net.fault.FaultSpec;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A program of its own: a guest behind a TAP in a network namespace of this process, and the
 * kernel's TCP at the other end. Bytes go both ways, each with the guest as the client and as the
 * server, and both ends say their digest.
 */
final class GuestTransfer {
  private static final Duration DEADLINE = Duration.ofSeconds(60);
  private static final int CHUNK_BYTES = 1 << 16;
  private static final int PORT = 5300;

  private GuestTransfer() {}

  /** {@code PLATFORM BYTES FAULT...}; exit code 0 if all digests are the same. */
  public static void main(String[] arguments) throws Exception {
    NetworkNamespace.enter();
    MachineConfig config = MachineConfig.of(PlatformKind.parse(arguments[0]));
    long bytes = Long.parseLong(arguments[1]);
    FaultSpec faults = FaultSpec.parse(List.of(arguments).subList(2, arguments.length));
    Segment.Wire wire =
        new Segment.Wire("tap", List.of(), Optional.empty(), Optional.empty(), faults);
    boolean same;
    try (Segment segment = Segment.open(config, wire);
        ExecutorService threads = Executors.newFixedThreadPool(2)) {
      same = guestIsClient(segment, threads, bytes) & guestIsServer(segment, threads, bytes);
      for (StackCounter counter :
          List.of(
              StackCounter.TCP_SEGMENTS_IN,
              StackCounter.TCP_SEGMENTS_OUT,
              StackCounter.TCP_RETRANSMITTED,
              StackCounter.TCP_TIMEOUTS,
              StackCounter.TCP_MALFORMED,
              StackCounter.TCP_NOT_IN_ORDER)) {
        System.out.println(
            counter
                + " "
                + segment
                    .machine()
                    .guest()
                    .<Long>ask(firmware -> firmware.stack().counters().value(counter)));
      }
    }
    System.exit(same ? 0 : 1);
  }

  private static boolean guestIsClient(Segment segment, ExecutorService threads, long bytes)
      throws Exception {
    try (ServerSocket server = new ServerSocket(PORT)) {
      Ipv4Address host = Ipv4Address.parse(segment.hostAddress());
      Future<Socket> accepted = threads.submit(server::accept);
      try (GuestSocket guest = segment.machine().tcp().connect(host, PORT, DEADLINE);
          Socket kernel = accepted.get()) {
        return transfer("client", threads, guest, kernel, bytes);
      }
    }
  }

  private static boolean guestIsServer(Segment segment, ExecutorService threads, long bytes)
      throws Exception {
    try (GuestListener listener = segment.machine().tcp().listen(PORT);
        Socket kernel = new Socket(segment.guestAddress(), PORT);
        GuestSocket guest = listener.accept(DEADLINE)) {
      return transfer("server", threads, guest, kernel, bytes);
    }
  }

  private static boolean transfer(
      String role, ExecutorService threads, GuestSocket guest, Socket kernel, long bytes)
      throws Exception {
    guest.timeout(Duration.ofMinutes(2));
    boolean there =
        oneWay(
            role + ": guest to kernel",
            threads,
            () -> {
              String digest = send(guest.output(), bytes, 1);
              guest.shutdownOutput();
              return digest;
            },
            () -> digest(kernel.getInputStream()),
            bytes);
    boolean back =
        oneWay(
            role + ": kernel to guest",
            threads,
            () -> {
              String digest = send(kernel.getOutputStream(), bytes, 2);
              kernel.shutdownOutput();
              return digest;
            },
            () -> digest(guest.input()),
            bytes);
    return there & back;
  }

  private static boolean oneWay(
      String what,
      ExecutorService threads,
      Callable<String> sender,
      Callable<String> receiver,
      long bytes)
      throws Exception {
    long start = System.nanoTime();
    Future<String> sent = threads.submit(sender);
    Future<String> received = threads.submit(receiver);
    String there = received.get();
    boolean same = sent.get().equals(there);
    double seconds = (System.nanoTime() - start) / 1e9;
    System.out.printf(
        "%s: %d bytes in %.2f s, %.0f Mbit/s, %s%n",
        what, bytes, seconds, bytes * 8 / seconds / 1e6, same ? "same digest" : "ANOTHER DIGEST");
    return same;
  }

  private static String send(OutputStream to, long bytes, long seed) throws Exception {
    SplittableRandom random = new SplittableRandom(seed);
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    byte[] chunk = new byte[CHUNK_BYTES];
    for (long left = bytes; left > 0; left -= chunk.length) {
      random.nextBytes(chunk);
      int length = (int) Math.min(left, chunk.length);
      digest.update(chunk, 0, length);
      to.write(chunk, 0, length);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static String digest(InputStream from) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    byte[] chunk = new byte[CHUNK_BYTES];
    for (int length = from.read(chunk); length >= 0; length = from.read(chunk)) {
      digest.update(chunk, 0, length);
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
