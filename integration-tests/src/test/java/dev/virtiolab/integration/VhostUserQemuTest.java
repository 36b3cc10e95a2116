package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.virtio.net.DeviceLoop;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.vhostuser.VhostUserOptions;
import dev.virtiolab.virtio.vhostuser.VhostUserServer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * QEMU's {@code -netdev vhost-user}, and in it the boot firmware's own driver, which asks for an
 * address by DHCP (RFC 2131): DISCOVER goes out, and REQUEST only if our OFFER came in.
 */
class VhostUserQemuTest {
  private static final String PROGRAM = "qemu-system-x86_64";
  private static final byte[] MAC = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(90);

  private static final byte DISCOVER = 1;
  private static final byte OFFER = 2;
  private static final byte REQUEST = 3;

  @TempDir Path folder;

  private final ScriptedBackend wire = new ScriptedBackend();

  @BeforeEach
  void needQemu() {
    Requirements.assumeProgram(PROGRAM, "qemu-system-x86");
  }

  /** Either end listens; the other connects. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theFirmwareOfAGuestGetsAnAddress(boolean asClient) throws Exception {
    try (Served served = new Served(asClient);
        Guest guest = new Guest(asClient ? ",server=on,wait=off" : ",reconnect=1")) {
      byte[] discover = await(guest, () -> lastDhcp(DISCOVER, 0));
      offerAndAwaitRequest(guest, discover);
      assertTrue(served.server.counters().refused() == 0, "QEMU asked for what is refused");
    }
  }

  /** QEMU connects again to a server that was gone, and its guest goes on. */
  @Test
  void theServerIsRestartedWhileTheGuestRuns() throws Exception {
    Guest guest;
    try (Served first = new Served(false)) {
      guest = new Guest(",reconnect=1");
      await(guest, () -> lastDhcp(DISCOVER, 0));
      assertEquals(1, first.server.counters().frontEnds());
    }
    int before = wire.sentCount();
    try (guest;
        Served second = new Served(false)) {
      byte[] discover = await(guest, () -> lastDhcp(DISCOVER, before));
      offerAndAwaitRequest(guest, discover);
      assertEquals(1, second.server.counters().frontEnds());
    }
  }

  private void offerAndAwaitRequest(Guest guest, byte[] discover) {
    int before = wire.sentCount();
    byte[][] answered = {discover};
    wire.deliver(offer(discover));
    byte[] request =
        await(
            guest,
            () -> {
              // It asks anew from time to time, with another number; the last offer counts.
              byte[] again = lastDhcp(DISCOVER, before);
              if (again != null && !Arrays.equals(again, answered[0])) {
                answered[0] = again;
                wire.deliver(offer(again));
              }
              return lastDhcp(REQUEST, before);
            });
    assertTrue(
        HexFormat.of().formatHex(request).contains("3204c0000202"),
        "option 50, the address that was offered");
  }

  /** The last DHCP message of this kind among frames from number {@code from} on; null if none. */
  private byte[] lastDhcp(byte kind, int from) {
    List<byte[]> frames = wire.sent();
    for (int i = frames.size() - 1; i >= from; i--) {
      byte[] frame = frames.get(i);
      // Ethernet, IPv4 without options, UDP to port 67, then 240 bytes up to the options.
      boolean dhcp =
          frame.length > 285
              && frame[12] == 0x08
              && frame[13] == 0
              && frame[23] == 17
              && frame[36] == 0
              && frame[37] == 67;
      if (dhcp && frame[282] == 53 && frame[284] == kind) {
        assertTrue(
            Arrays.equals(MAC, Arrays.copyOfRange(frame, 6, 12)), "from the guest's address");
        return frame;
      }
    }
    return null;
  }

  /** 192.0.2.2 by 192.0.2.1. */
  private static byte[] offer(byte[] discover) {
    ByteBuffer frame = ByteBuffer.allocate(14 + 20 + 8 + 300);
    frame.put(new byte[] {-1, -1, -1, -1, -1, -1, 2, 0, 0, 0, 0, 1, 8, 0});
    frame.put(new byte[] {0x45, 0}).putShort((short) (frame.capacity() - 14));
    frame.putInt(0).put(new byte[] {64, 17}).putShort((short) 0);
    frame.putInt(0xc000_0201).putInt(-1);
    frame.putShort(24, checksum(frame.array(), 14, 20));
    frame.putShort((short) 67).putShort((short) 68).putShort((short) 308).putShort((short) 0);
    frame.put(new byte[] {2, 1, 6, 0}).put(discover, 46, 4);
    frame.putShort((short) 0).put(discover, 52, 2);
    frame.putInt(0).putInt(0xc000_0202).putInt(0xc000_0201).putInt(0).put(MAC);
    frame.position(14 + 20 + 8 + 236);
    frame.putInt(0x6382_5363);
    frame.put(new byte[] {53, 1, OFFER, 54, 4}).putInt(0xc000_0201);
    frame.put(new byte[] {51, 4}).putInt(3600).put(new byte[] {1, 4}).putInt(0xffff_ff00);
    frame.put((byte) -1);
    return frame.array();
  }

  private static short checksum(byte[] bytes, int offset, int length) {
    int sum = 0;
    for (int i = offset; i < offset + length; i += 2) {
      sum += (bytes[i] & 0xff) << 8 | bytes[i + 1] & 0xff;
    }
    return (short) ~((sum & 0xffff) + (sum >>> 16));
  }

  private static byte[] await(Guest guest, Supplier<byte[]> what) {
    long since = System.nanoTime();
    while (true) {
      byte[] found = what.get();
      if (found != null) {
        return found;
      }
      if (!guest.qemu.isAlive() || System.nanoTime() - since > PATIENCE_NANOS) {
        throw new AssertionError("not seen; QEMU said: " + guest.said());
      }
      LockSupport.parkNanos(20_000_000);
    }
  }

  private Path socket() {
    return folder.resolve("vhost");
  }

  /** The device, its loop and its server. */
  private final class Served implements AutoCloseable {
    final VhostUserServer server;
    private final DeviceLoop loop;

    Served(boolean asClient) {
      VirtioNet device =
          new VirtioNet(new VirtioNet.Config(MAC, OptionalInt.empty(), true, false), wire);
      VhostUserOptions options = new VhostUserOptions(1, false);
      server =
          asClient
              ? VhostUserServer.connect(device, options, socket().toString())
              : VhostUserServer.listen(device, options, socket().toString());
      loop = DeviceLoop.start(device, "nic");
      server.start();
    }

    @Override
    public void close() {
      loop.close();
      server.close();
    }
  }

  /** QEMU without a disk, whose firmware boots from the network again and again. */
  private final class Guest implements AutoCloseable {
    final Process qemu;
    private final Path log = folder.resolve("qemu");

    Guest(String socketOptions) throws IOException {
      List<String> command = new ArrayList<>(List.of(PROGRAM, "-nodefaults", "-display", "none"));
      command.addAll(List.of("-accel", "tcg", "-m", "128M", "-boot", "n"));
      command.addAll(List.of("-object", "memory-backend-memfd,id=m,size=128M,share=on"));
      command.addAll(List.of("-machine", "pc,memory-backend=m"));
      command.addAll(List.of("-chardev", "socket,id=c,path=" + socket() + socketOptions));
      command.addAll(List.of("-netdev", "vhost-user,id=n,chardev=c"));
      command.addAll(
          List.of(
              "-device",
              "virtio-net-pci,netdev=n,disable-legacy=on,mac="
                  + HexFormat.ofDelimiter(":").formatHex(MAC)));
      qemu =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
    }

    String said() {
      try {
        return Files.readString(log);
      } catch (IOException e) {
        return e.toString();
      }
    }

    @Override
    public void close() {
      qemu.destroyForcibly();
      try {
        qemu.waitFor(20, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
