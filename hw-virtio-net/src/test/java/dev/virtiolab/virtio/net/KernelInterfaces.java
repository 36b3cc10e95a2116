package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.fixture.Packets;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * What a test does with interfaces of the kernel's, by {@code ip} of iproute2, and frames for them.
 */
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

  /**
   * A frame for the kernel, with the sum of the pseudo header where the checksum belongs.
   *
   * @param header of TCP or UDP; its checksum is filled in
   */
  static byte[] frame(
      byte[] to,
      byte[] from,
      InetAddress source,
      InetAddress target,
      int protocol,
      byte[] header,
      byte[] data) {
    boolean ipv4 = source instanceof Inet4Address;
    byte[] addresses =
        ByteBuffer.allocate(2 * source.getAddress().length)
            .put(source.getAddress())
            .put(target.getAddress())
            .array();
    int bytes = header.length + data.length;
    ByteBuffer out = ByteBuffer.allocate(14 + (ipv4 ? 20 : 40) + bytes);
    out.put(to).put(from).putShort((short) (ipv4 ? 0x0800 : 0x86dd));
    if (ipv4) {
      out.putShort((short) 0x4500).putShort((short) (20 + bytes)).putInt(0x1234_0000);
      out.put((byte) 64).put((byte) protocol).putShort((short) 0).put(addresses);
      Packets.put16(out.array(), 24, Packets.checksum(out.array(), 14, 34, 0));
    } else {
      out.putInt(0x6000_0000).putShort((short) bytes).put((byte) protocol).put((byte) 64);
      out.put(addresses);
    }
    ByteBuffer pseudo = ByteBuffer.allocate(addresses.length + 8);
    pseudo.put(addresses).putInt(bytes).putInt(protocol);
    int sum = ~Packets.checksum(pseudo.array(), 0, pseudo.capacity(), 0);
    Packets.put16(header, protocol == Packets.TCP ? 16 : 6, sum);
    return out.put(header).put(data).array();
  }
}
