package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** What a test does with interfaces of the kernel's, by {@code ip} of iproute2. */
final class KernelInterfaces {
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(20);

  private KernelInterfaces() {}

  static void ip(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), command + ": " + output);
  }

  static byte[] mac(String name) throws IOException {
    String text = Files.readString(Path.of("/sys/class/net", name, "address")).trim();
    return HexFormat.ofDelimiter(":").parseHex(text);
  }

  /**
   * Adds an IPv6 address and waits until the kernel takes what comes for it: it makes the local
   * route by a work queue of its own.
   */
  static void addIpv6(String name, String address) throws IOException, InterruptedException {
    ip("address", "add", address + "/64", "nodad", "dev", name);
    String route = HexFormat.of().formatHex(InetAddress.getByName(address).getAddress()) + " 80 ";
    long start = System.nanoTime();
    while (Files.readAllLines(Path.of("/proc/net/ipv6_route")).stream()
        .noneMatch(line -> line.startsWith(route) && line.endsWith(" " + name))) {
      assertTrue(System.nanoTime() - start < DEADLINE_NANOS, "no local route to " + address);
      Thread.onSpinWait();
    }
  }
}
